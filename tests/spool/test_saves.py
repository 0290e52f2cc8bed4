"""What evicted attempts saved: kept once and whole, found by the next attempt, swept when nobody needs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nodewatch.cache import CorruptObject
from nodewatch.resuming import fetch_save
from spoold.claims import give_back
from spoold.publication import stage
from spoold.records import Outcome
from spoold.saves import find_save, keep_save, sweep_saves
from spoold.snapshot import BatchRef, read_state
from spoold.spool import Spool
from spoold.sweeping import sweep
from spoold.tickets import State, Ticket
from tests.spool.lab import Crash, Lab, crash_at, once, tree

Make = Callable[[], Lab]
FILES = {"state.txt": "1", "deep/er/x": "2", "stdout.txt": "mine", "saved-y": "3"}
AGAIN = FILES | {"state.txt": "again"}


def save(spool: Spool, lab: Lab, ref: BatchRef, ticket: Ticket, files: dict[str, str] | None = None) -> bool:
    """As a node does; False if it is fenced."""
    stage(spool, lab.result(ref, ticket, Outcome.FAILED, files or FILES))
    spool.ops.flush()
    if ticket not in read_state(spool, ref.folder, State.CLAIMED):
        return False
    keep_save(spool, "ns", "b", ticket)
    return give_back(spool, ref.folder, ticket) is not None


def fetch(lab: Lab, attempt: int) -> dict[str, bytes] | None:
    target = lab.scratch / "resume"
    there = fetch_save(lab.spool, "ns", "b", Ticket("a", attempt), target)
    assert there is target.exists()
    return tree(target) if there else None


def saved(lab: Lab) -> list[str]:
    return sorted(path.name for path in lab.spool.layout.saves_root.glob("*/*/*"))


def test_the_next_attempt_finds_what_was_saved_and_no_more(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "other": ""})
    assert fetch(lab, 1) is None
    assert save(lab.spool, lab, ref, lab.claim(ref, "a"))
    assert fetch(lab, 1) is None
    assert fetch(lab, 2) == {name: text.encode() for name, text in FILES.items()}
    assert find_save(lab.spool, "ns", "b", Ticket("other", 2)) is None
    assert find_save(lab.spool, "ns", "c", Ticket("a", 2)) is None


def test_the_newest_save_counts_and_the_older_one_goes(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    for text in ("first", "second"):
        assert save(lab.spool, lab, ref, lab.claim(ref, "a"), {"x": text})
        assert fetch(lab, 9) == {"x": text.encode()}
    # An attempt that was lost between them makes no difference.
    give_back(lab.spool, ref.folder, lab.claim(ref, "a"))
    assert saved(lab) == ["a~1", "a~2"]
    sweep(lab.spool)
    assert saved(lab) == ["a~2"]
    assert fetch(lab, 4) == {"x": b"second"}
    lab.complete(ref, "a")
    sweep(lab.spool)
    assert saved(lab) == []
    assert not list(lab.spool.layout.saves_root.iterdir())
    assert lab.private() == []


def test_a_closed_batch_leaves_no_saves(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    assert save(lab.spool, lab, ref, lab.claim(ref, "a"))
    lab.complete(ref, "a")
    lab.sweep()
    assert lab.ref("b").finished
    sweep(lab.spool)
    assert saved(lab) == []


def test_what_isn_t_whole_is_refused(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    assert save(lab.spool, lab, ref, lab.claim(ref, "a"))
    path = lab.spool.layout.save("ns", "b", Ticket("a", 1)) / "state.txt"
    path.write_text("other")
    with pytest.raises(CorruptObject):
        fetch(lab, 2)
    path.unlink()
    with pytest.raises(CorruptObject):
        fetch(lab, 2)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_node_that_dies_at_any_operation_of_a_save(make: Make, when: str) -> None:
    """The next daemon does all of it again: there is one save, whole and the first one, and one ticket."""
    for number in range(1, 100):
        lab = make()
        ref = lab.submit("b", {"a": ""})
        ticket = lab.claim(ref, "a")
        try:
            save(lab.reopen(crash_at(when, number)), lab, ref, ticket)
            died = False
        except Crash:
            died = True
            first = fetch(lab, 2)
            if ticket in read_state(lab.spool, ref.folder, State.CLAIMED):
                assert save(lab.spool, lab, ref, ticket, AGAIN)
            again = {name: text.encode() for name, text in AGAIN.items()}
            assert fetch(lab, 2) == (again if first is None else first)
        sweep(lab.spool)
        assert lab.tickets(ref) == {"pending": ["a~2"]}
        assert saved(lab) == ["a~1"]
        assert not list(lab.spool.layout.archive.glob(".staging/**/*@*"))
        if not died:
            assert number > 10
            return
    raise AssertionError("it never gets through")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sweep_at_any_operation_of_a_save(make: Make, when: str) -> None:
    for number in range(1, 30):
        lab = make()
        ref = lab.submit("b", {"a": ""})
        ticket = lab.claim(ref, "a")
        assert save(lab.reopen(once(lambda: sweep(lab.spool), number, when)), lab, ref, ticket)  # noqa: B023
        assert fetch(lab, 2) == {name: text.encode() for name, text in FILES.items()}


def test_a_save_at_any_operation_of_a_sweep(make: Make) -> None:
    """Another save of the batch, in a folder that the sweep is about to remove as empty."""
    for number in range(1, 20):
        lab = make()
        ref = lab.submit("b", {"a": "", "z": ""})
        old = lab.claim(ref, "z")
        assert save(lab.spool, lab, ref, old, {"x": "old"})
        lab.complete(ref, "z")
        ticket = lab.claim(ref, "a")
        act = once(lambda: save(lab.spool, lab, ref, ticket), number)  # noqa: B023
        sweep_saves(lab.reopen(act))
        if ticket in read_state(lab.spool, ref.folder, State.CLAIMED):
            assert number > 2
            return
        assert fetch(lab, 2) == {name: text.encode() for name, text in FILES.items()}
    raise AssertionError("it never gets through")


def test_a_fenced_node_saves_nothing(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    ticket = lab.claim(ref, "a")
    give_back(lab.spool, ref.folder, ticket)
    assert not save(lab.spool, lab, ref, ticket)
    sweep(lab.spool)
    assert (saved(lab), fetch(lab, 2)) == ([], None)


def test_one_that_is_fenced_in_the_midst_of_it_does_no_harm(make: Make) -> None:
    """What it saved is as good as any; who goes on from an older save meanwhile isn't disturbed."""
    for number in range(1, 40):
        lab = make()
        ref = lab.submit("b", {"a": ""})
        ticket = lab.claim(ref, "a")
        fence = once(lambda: give_back(lab.spool, ref.folder, ticket), number)  # noqa: B023
        kept = save(lab.reopen(fence), lab, ref, ticket)
        sweep(lab.spool)
        assert lab.tickets(ref) == {"pending": ["a~2"]}
        found = fetch(lab, 2)
        assert found in (None, {name: text.encode() for name, text in FILES.items()})
        assert found is not None or not kept


@pytest.mark.parametrize("file", ["state.txt", "deep/er/x"])
def test_a_save_that_is_swept_while_it_is_fetched(
    lab: Lab, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that comes back has saved a later one: that is taken, whole."""
    from nodewatch import resuming

    ref = lab.submit("b", {"a": ""})
    assert save(lab.spool, lab, ref, lab.claim(ref, "a"))
    second = lab.claim(ref, "a")
    copy = resuming.copy_checked

    def copy_slowly(source: Path, target: Path, sha256: str) -> None:
        if source.as_posix().endswith(f"a~1/{file}"):
            assert save(lab.spool, lab, ref, second, {"later": "yes"})
            sweep(lab.spool)
        copy(source, target, sha256)

    monkeypatch.setattr(resuming, "copy_checked", copy_slowly)
    assert fetch(lab, 3) == {"later": b"yes"}


def test_a_forged_record_leads_nowhere_else(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    assert save(lab.spool, lab, ref, lab.claim(ref, "a"), {"x": "mine"})
    record = lab.spool.layout.save("ns", "b", Ticket("a", 1)) / ".job.json"
    (lab.scratch / "y").parent.mkdir(exist_ok=True)
    for path in ("../y", "/tmp/y", "deep/../../y"):
        forged = record.read_text().replace('"path":"x"', f'"path":"{path}"')
        record.chmod(0o644)
        record.write_text(forged)
        with pytest.raises(CorruptObject, match="is called"):
            fetch(lab, 2)
        record.write_text(forged.replace(f'"path":"{path}"', '"path":"x"'))
    assert not (lab.scratch / "y").exists()

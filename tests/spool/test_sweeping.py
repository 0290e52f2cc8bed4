"""What nobody else goes on with: admitted batches without a drop, results that a power failure held back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spoold.publication import finish, publish, stage
from spoold.records import Outcome
from spoold.spool import open_spool
from spoold.sweeping import open_admitted, sweep, sweep_private, sweep_staging
from spoold.tickets import State, Ticket
from tests.spool.conftest import needs_root
from tests.spool.lab import NOBODY, Crash, Lab, as_user, crash_at, job_file, make_lab, once, tree

Make = Callable[[], Lab]


@pytest.fixture
def admitted(lab: Lab) -> Path:
    """``ns/b`` was admitted by a steward that died before it appeared, and its owner took the drop away."""
    drop = lab.drop("b.yaml", job_file("b", {"a": ""}))
    place = lab.spool.layout.admitted("ns", "b")

    def die(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if operation == "rename" and place in paths:
            raise Crash

    with pytest.raises(Crash):
        lab.sweep(lab.steward(die))
    drop.unlink()
    assert place.is_dir()
    return place


def test_an_admitted_batch_appears_without_its_drop(lab: Lab, admitted: Path) -> None:
    lab.sweep()
    assert lab.tickets(lab.ref("b")) == {"pending": ["a~1"]}
    assert not admitted.exists()
    before = tree(lab.spool.root)
    open_admitted(lab.spool)
    assert tree(lab.spool.root) == before


def test_a_drop_of_an_opened_batch_is_cleared(lab: Lab, admitted: Path) -> None:
    """Somebody else drops the same name meanwhile: it is taken, and what was admitted runs."""
    lab.drop("b.yaml", job_file("b", {"other": ""}))
    lab.sweep()
    assert lab.tickets(lab.ref("b")) == {"pending": ["a~1"]}
    assert "is there already" in lab.rejected()["b.yaml"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_two_who_open_a_batch(make: Make, when: str) -> None:
    for number in range(1, 6):
        lab = make()
        ref = lab.submit("b", {"a": ""})
        ref.folder.path.rename(lab.spool.layout.admitted("ns", "b"))
        open_admitted(lab.reopen(once(lambda: open_admitted(lab.spool), number, when)))  # noqa: B023
        assert lab.tickets(lab.ref("b")) == {"pending": ["a~1"]}


def test_batches_that_have_ended_stay_where_they_are(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    lab.complete(ref, "a")
    lab.sweep()
    before = tree(lab.spool.root)
    open_admitted(lab.spool)
    assert tree(lab.spool.root) == before
    assert lab.ref("b").finished


def held_back(lab: Lab, outcome: Outcome = Outcome.DONE) -> Path:
    """``a`` has ended by its ticket; its result is staged, as the rename to the archive is lost."""
    ref = lab.submit("b", {"a": ""})
    ticket = lab.complete(ref, "a", outcome)
    staging = lab.spool.layout.staging("ns", "b", ticket)
    lab.spool.ops.make_folder(staging.parent)
    lab.spool.layout.archived_job("ns", "b", "a").rename(staging)
    return staging


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("outcome", Outcome)
def test_the_only_result_of_a_job_that_ended_is_never_swept(lab: Lab, outcome: Outcome, closed: bool) -> None:
    staging = held_back(lab, outcome)
    content = tree(staging)
    if closed:
        lab.steward().sweep()
    sweep(lab.spool)
    assert tree(lab.spool.layout.archived_job("ns", "b", "a")) == content
    assert not staging.exists()


def test_a_second_copy_of_an_archived_result_is_swept(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": ""})
    ticket = lab.complete(ref, "a")
    content = tree(lab.spool.layout.archived_job("ns", "b", "a"))
    stage(lab.spool, lab.result(ref, ticket, files={"out.txt": "another"}))
    sweep_staging(lab.spool)
    assert not lab.spool.layout.staging("ns", "b", ticket).exists()
    assert tree(lab.spool.layout.archived_job("ns", "b", "a")) == content


def test_a_published_ticket_with_a_second_copy_is_finished(lab: Lab) -> None:
    """The archive has its result, and so has the staging folder: the first one counts."""
    ref = lab.submit("b", {"a": "", "c": ""})
    ticket = lab.claim(ref, "a")
    stage(lab.spool, lab.result(ref, ticket))
    assert publish(lab.spool, ref.folder, ticket)
    layout = lab.spool.layout
    layout.staging("ns", "b", ticket).rename(layout.archived_job("ns", "b", "a"))
    stage(lab.spool, lab.result(ref, ticket, files={"out.txt": "another"}))
    finish(lab.spool, ref.folder, "ns", "b", ticket)
    assert lab.tickets(ref)["done"] == ["a~1@n1"]
    assert (layout.archived_job("ns", "b", "a") / "out.txt").read_text() == "a~1@n1"


def test_a_staged_result_that_cannot_appear_stays_and_holds_up_nothing(lab: Lab) -> None:
    staging = held_back(lab)
    foreign = lab.spool.layout.archived_job("ns", "b", "a")
    foreign.mkdir()
    (foreign / "x").touch()
    other = lab.spool.layout.staging("ns", "z", Ticket("z", 1, "n1"))
    other.mkdir(parents=True)
    sweep(lab.spool)
    assert staging.is_dir()
    assert not other.exists()
    assert lab.tickets(lab.ref("b"))[State.DONE.value] == ["a~1@n1"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sweep_that_dies_is_gone_on_with(make: Make, when: str) -> None:
    for number in range(1, 8):
        lab = make()
        content = tree(held_back(lab))
        try:
            sweep_staging(lab.reopen(crash_at(when, number)))
        except Crash:
            sweep_staging(lab.spool)
        assert tree(lab.spool.layout.archived_job("ns", "b", "a")) == content


@needs_root
def test_what_only_its_owner_can_remove_holds_up_no_other(fast_folder: Path) -> None:
    """Part of somebody's drop that was moved out of the drop box."""
    os.chown(fast_folder, NOBODY, NOBODY)
    as_user(NOBODY, lambda: make_lab(fast_folder))
    tmp = fast_folder / "spool" / "tmp"
    for name in ("a", "c"):
        as_user(NOBODY, (tmp / name).mkdir)
    as_user(NOBODY, (tmp / "b").mkdir)
    (tmp / "b" / "closed").mkdir(mode=0o700)
    (tmp / "b" / "closed" / "file").touch()
    for name in "abc":
        os.utime(tmp / name, (1.0, 1.0))
    as_user(NOBODY, lambda: sweep_private(open_spool(fast_folder / "spool")))
    assert os.listdir(tmp) == ["b"]

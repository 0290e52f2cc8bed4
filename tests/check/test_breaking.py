"""A spool with a finished and a living batch, broken in each way: it is named, and repaired or left alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from spoold.checking import Finding, Kind, Severity, check
from spoold.checking.repairing import Fate, repair
from spoold.layout import FOLDER_MODE
from spoold.publication import publish, stage
from spoold.records import Outcome
from spoold.snapshot import BatchRef, read_record
from spoold.tickets import State, Ticket
from tests.spool.lab import Lab, job_file
from tests.support import wait_until

OLD = (1.0, 1.0)


def no_wait(seconds: float) -> None:
    """Nobody goes on meanwhile."""


@dataclass
class Broken:
    """``ns/b`` has work: a is done, f failed and is retried, c claimed, d waits for p. ``ns/e`` has ended."""

    lab: Lab
    live: BatchRef
    ended: BatchRef

    @property
    def root(self) -> Path:
        return self.lab.spool.root

    def look(self, checksums: bool = False) -> list[Finding]:
        return check(self.lab.spool, checksums, no_wait)

    def result(self, job: str, ref: BatchRef | None = None) -> Path:
        ref = ref or self.live
        return self.lab.spool.layout.archived_job(ref.namespace, ref.batch, job)

    def object(self) -> Path:
        return next((self.root / "store").glob("*/*"))


@pytest.fixture
def broken(lab: Lab) -> Broken:
    (lab.scratch / "in.dat").write_text("input")
    jobs = {"a": f"required_files: [{lab.scratch}/in.dat]"} | dict.fromkeys("fcp", "") | {"d": "depends: [p]"}
    live, ended = lab.submit("b", jobs), lab.submit("e", {"j": "", "k": ""})
    lab.complete(live, "a")
    tried = lab.complete(live, "f", Outcome.FAILED)
    again = live.folder.ticket(State.PENDING, tried.next_attempt())
    live.folder.ticket(State.FAILED, tried).rename(again)
    lab.claim(live, "c")
    lab.complete(ended, "j")
    lab.complete(ended, "k", Outcome.FAILED)
    lab.sweep()
    world = Broken(lab, live, lab.ref("e"))
    assert world.ended.finished
    assert world.look(checksums=True) == []
    return world


def touch(path: Path) -> None:
    path.touch()


def old(path: Path) -> None:
    path.touch(0o444)
    path.chmod(0o444)
    os.utime(path, OLD)


def spoil(path: Path, content: bytes = b"{") -> None:
    path.chmod(0o644)
    path.write_bytes(content)


Break = Callable[[Broken], object]

#: What somebody does, the one finding that follows, and where.
BY_HAND: dict[str, tuple[Break, Kind, str]] = {
    "unknown file": (lambda b: touch(b.root / "notes.txt"), Kind.UNKNOWN, "notes.txt"),
    "unknown folder": (lambda b: (b.root / "batches/ns/b/old").mkdir(), Kind.UNKNOWN, "batches/ns/b/old"),
    "hidden name": (lambda b: (b.root / "archive/.old").mkdir(), Kind.UNKNOWN, "archive/.old"),
    "no name": (lambda b: (b.root / "nodes/a b").mkdir(), Kind.UNKNOWN, "nodes/a b"),
    "link": (lambda b: (b.root / "batches/ns/x").symlink_to("/etc"), Kind.WRONG_TYPE, "batches/ns/x"),
    "link to nowhere": (lambda b: (b.root / "store/ab").symlink_to("/n"), Kind.WRONG_TYPE, "store/ab"),
    "link in a batch": (
        lambda b: (b.root / "batches/ns/b/kill").symlink_to("/etc/passwd"),
        Kind.WRONG_TYPE,
        "batches/ns/b/kill",
    ),
    "pipe": (lambda b: os.mkfifo(b.root / "batches/ns/b/kill"), Kind.WRONG_TYPE, "batches/ns/b/kill"),
    "file for a batch": (lambda b: touch(b.root / "finished/ns/x"), Kind.WRONG_TYPE, "finished/ns/x"),
    "no ticket's name": (
        lambda b: touch(b.live.folder.state(State.HELD) / "d"),
        Kind.UNKNOWN,
        "batches/ns/b/held/d",
    ),
    "ticket of no job": (
        lambda b: touch(b.live.folder.state(State.PENDING) / "z~1"),
        Kind.UNKNOWN_JOB,
        "batches/ns/b/pending/z~1",
    ),
    "two tickets": (
        lambda b: touch(b.live.folder.state(State.PENDING) / "p~2"),
        Kind.TWO_TICKETS,
        "batches/ns/b/pending/p~1",
    ),
    "one ticket twice": (
        lambda b: touch(b.live.folder.state(State.CLAIMED) / "p~1@n1"),
        Kind.TWO_TICKETS,
        "batches/ns/b/pending/p~1",
    ),
    "no holder": (
        lambda b: (b.root / "batches/ns/b/claimed/c~1@n1").rename(b.root / "batches/ns/b/claimed/c~1"),
        Kind.HOLDER,
        "batches/ns/b/claimed/c~1",
    ),
    "header": (lambda b: spoil(b.live.folder.header), Kind.UNREADABLE, "batches/ns/b/batch.json"),
    "no header": (lambda b: b.live.folder.header.unlink(), Kind.RECORD_MISSING, "batches/ns/b/batch.json"),
    "jobs": (lambda b: spoil(b.live.folder.jobs), Kind.UNREADABLE, "batches/ns/b/jobs.json"),
    "no jobs": (lambda b: b.live.folder.jobs.unlink(), Kind.RECORD_MISSING, "batches/ns/b/jobs.json"),
    "build's record": (
        lambda b: touch(b.live.folder.builds / "n1.ok"),
        Kind.UNREADABLE,
        "batches/ns/b/builds/n1.ok",
    ),
    "a loss of no job": (
        lambda b: touch(b.live.folder.losses / "zz~1@n1.lost"),
        Kind.UNKNOWN,
        "batches/ns/b/losses/zz~1@n1.lost",
    ),
    "two places": (
        lambda b: shutil.copytree(b.live.folder.path, b.root / "finished/ns/b", copy_function=shutil.copy2),
        Kind.TWO_PLACES,
        "finished/ns/b",
    ),
    "no archive": (lambda b: shutil.rmtree(b.root / "archive/ns/b"), Kind.ARCHIVE_MISSING, "archive/ns/b"),
    "archive alone": (
        lambda b: shutil.rmtree(b.ended.folder.path), Kind.ARCHIVE_ALONE, "archive/ns/e",
    ),
    "archive's header": (
        lambda b: spoil(b.root / "archive/ns/b/batch.json"),
        Kind.UNREADABLE,
        "archive/ns/b/batch.json",
    ),
    "other batch's header": (
        lambda b: shutil.copy(b.ended.folder.header, b.root / "archive/ns/b/batch.json"),
        Kind.RECORD_OTHER,
        "archive/ns/b/batch.json",
    ),
    "unknown result": (lambda b: (b.root / "archive/ns/b/z").mkdir(), Kind.UNKNOWN, "archive/ns/b/z"),
    "no result": (lambda b: shutil.rmtree(b.result("a")), Kind.RESULT_MISSING, "batches/ns/b/done/a~1@n1"),
    "result's record": (lambda b: spoil(b.result("a") / ".job.json"), Kind.UNREADABLE, "archive/ns/b/a/.job.json"),
    "result without record": (
        lambda b: (b.result("f") / ".job.json").unlink(), Kind.RECORD_MISSING, "archive/ns/b/f/.job.json",
    ),
    "result of another job": (
        lambda b: shutil.copy(b.result("j", b.ended) / ".job.json", b.result("f") / ".job.json"),
        Kind.RESULT_OTHER,
        "archive/ns/b/f/.job.json",
    ),
    "result of another outcome": (
        lambda b: (b.root / "finished/ns/e/failed/k~1@n1").rename(b.root / "finished/ns/e/done/k~1@n1"),
        Kind.RESULT_OTHER,
        "finished/ns/e/done/k~1@n1",
    ),
    "result of another node": (
        lambda b: (b.root / "finished/ns/e/done/j~1@n1").rename(b.root / "finished/ns/e/done/j~1@n2"),
        Kind.RESULT_OTHER,
        "finished/ns/e/done/j~1@n2",
    ),
    "ticket behind its result": (
        lambda b: (b.root / "batches/ns/b/done/a~1@n1").rename(b.root / "batches/ns/b/pending/a~1"),
        Kind.RESULT_AHEAD,
        "batches/ns/b/pending/a~1",
    ),
    "published without result": (
        lambda b: (b.root / "batches/ns/b/claimed/c~1@n1").rename(b.root / "batches/ns/b/publishing/c~1@n1"),
        Kind.RESULT_MISSING,
        "batches/ns/b/publishing/c~1@n1",
    ),
    "node without record": (lambda b: node(b.root / "nodes/n9"), Kind.NODE_MISSING, "nodes/n9/node.json"),
    "rejected without reason": (
        lambda b: touch(b.root / "rejected/x.yaml"), Kind.REJECTED_WITHOUT_REASON, "rejected/x.yaml",
    ),
    "no object": (lambda b: b.object().unlink(), Kind.OBJECT_MISSING, "store/*/*"),
    "short object": (lambda b: cut(b.object()), Kind.OBJECT_DAMAGED, "store/*/*"),
    "staged unknown": (
        lambda b: (b.root / "archive/.staging/ns/b/x").mkdir(parents=True), Kind.UNKNOWN, "archive/.staging/ns/b/x",
    ),
    "saved for no batch": (
        lambda b: (b.root / "archive/.resume/ns/z/c~1").mkdir(parents=True),
        Kind.SAVE_LEFT,
        "archive/.resume/ns/z/c~1",
    ),
    "unknown save": (
        lambda b: (b.root / "archive/.resume/ns/b/x").mkdir(parents=True), Kind.UNKNOWN, "archive/.resume/ns/b/x",
    ),
}  # fmt: skip


def node(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o1777)


def cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 3)
    path.chmod(0o444)


def tree(root: Path) -> dict[str, tuple[int, int, float]]:
    """Everything in a spool, with type and mode, size and inode."""
    seen = {str(p.relative_to(root)): p.lstat() for p in root.rglob("*")}
    return {name: (s.st_mode, s.st_size, s.st_ino) for name, s in seen.items() if not name.startswith("tmp/")}


@pytest.mark.parametrize("what", BY_HAND)
def test_what_only_people_can_decide_is_named_and_left(broken: Broken, what: str) -> None:
    act, kind, place = BY_HAND[what]
    act(broken)
    found = broken.look()
    assert [(f.severity, f.kind) for f in found] == [(Severity.ERROR, kind)], found
    assert found[0].path.relative_to(broken.root).match(place)
    assert found[0].next
    before = tree(broken.root)
    assert [one.fate for one in repair(broken.lab.spool, found, no_wait)] == [Fate.BY_HAND]
    assert tree(broken.root) == before


REPAIRED: dict[str, tuple[Break, Severity, Kind, str]] = {
    "mode of a batch": (lambda b: b.live.folder.path.chmod(0o755), Severity.ERROR, Kind.MODE, "batches/ns/b"),
    "mode of the drop box": (
        lambda b: (b.root / "incoming").chmod(0o700), Severity.ERROR, Kind.MODE, "incoming",
    ),
    "mode of an input": (lambda b: b.object().chmod(0o600), Severity.ERROR, Kind.MODE, "store/*/*"),
    "state folder": (
        lambda b: b.live.folder.state(State.CANCELLED).rmdir(),
        Severity.ERROR,
        Kind.FOLDER_MISSING,
        "batches/ns/b/cancelled",
    ),
    "spool's folder": (lambda b: (b.root / "nodes").rmdir(), Severity.ERROR, Kind.FOLDER_MISSING, "nodes"),
    "finished with work": (
        lambda b: b.live.folder.path.rename(b.root / "finished/ns/b"),
        Severity.ERROR,
        Kind.FINISHED_WITH_WORK,
        "finished/ns/b",
    ),
    "admitted": (
        lambda b: b.live.folder.path.rename(b.root / "archive/ns/b/.admitted"),
        Severity.NOTE,
        Kind.ADMISSION_LEFT,
        "archive/ns/b/.admitted",
    ),
    "lost and waiting": (
        lambda b: (b.root / "batches/ns/b/pending/p~1").unlink(), Severity.ERROR, Kind.LOST_TICKET, "batches/ns/b",
    ),
    "published": (lambda b: published(b), Severity.NOTE, Kind.PUBLISHING, "batches/ns/b/publishing/c~1@n1"),
    "staged": (lambda b: staged(b), Severity.NOTE, Kind.STAGING_LEFT, "archive/.staging/ns/b/c~7@n2"),
    "staged for no batch": (
        lambda b: (b.root / "archive/.staging/ns/z/c~1@n1").mkdir(parents=True),
        Severity.NOTE,
        Kind.STAGING_LEFT,
        "archive/.staging/ns/z/c~1@n1",
    ),
    "saved by what has ended": (
        lambda b: (b.root / "archive/.resume/ns/e/j~1").mkdir(parents=True),
        Severity.NOTE,
        Kind.SAVE_LEFT,
        "archive/.resume/ns/e/j~1",
    ),
    "taken back by a power failure": (
        lambda b: unappear(b), Severity.ERROR, Kind.RESULT_MISSING, "batches/ns/b/done/a~1@n1",
    ),
    "private": (lambda b: old(b.root / "tmp/x"), Severity.NOTE, Kind.TMP_LEFT, "tmp/x"),
}  # fmt: skip


def published(broken: Broken) -> None:
    ticket = Ticket("c", 1, "n1")
    stage(broken.lab.spool, broken.lab.result(broken.live, ticket))
    assert publish(broken.lab.spool, broken.live.folder, ticket)


def staged(broken: Broken) -> None:
    stage(broken.lab.spool, broken.lab.result(broken.live, Ticket("c", 7, "n2")))


def unappear(broken: Broken) -> None:
    """The rename to the archive never reached the disk; the one of the ticket did."""
    staging = broken.lab.spool.layout.staging("ns", "b", Ticket("a", 1, "n1"))
    broken.lab.spool.ops.make_folder(staging.parent)
    broken.result("a").rename(staging)


@pytest.mark.parametrize("what", REPAIRED)
def test_what_is_safe_is_repaired(broken: Broken, what: str) -> None:
    act, severity, kind, place = REPAIRED[what]
    act(broken)
    found = broken.look()
    assert [(f.severity, f.kind) for f in found] == [(severity, kind)], found
    assert found[0].path.relative_to(broken.root).match(place)
    done = repair(broken.lab.spool, found, no_wait)
    assert [one.fate for one in done] == [Fate.REPAIRED], done
    assert broken.look(checksums=True) == []
    assert repair(broken.lab.spool, found, no_wait)[0].fate in (Fate.REPAIRED, Fate.FAILED)
    assert broken.look(checksums=True) == [], "a repair may be repeated"


LOST = [
    ("batches/ns/b/pending/p~1", "batches/ns/b/pending/p~1001"),
    ("batches/ns/b/held/d~1", "batches/ns/b/held/d~1001"),
    ("batches/ns/b/claimed/c~1@n1", "batches/ns/b/pending/c~1001"),
    ("batches/ns/b/done/a~1@n1", "batches/ns/b/done/a~1@n1"),
    # Its retry never began: so it failed, and may be retried again.
    ("batches/ns/b/pending/f~2", "batches/ns/b/failed/f~1@n1"),
    ("finished/ns/e/done/j~1@n1", "finished/ns/e/done/j~1@n1"),
    ("finished/ns/e/failed/k~1@n1", "finished/ns/e/failed/k~1@n1"),
]


@pytest.mark.parametrize(("lost", "new"), LOST)
def test_a_lost_ticket_is_made_anew_where_it_belongs(broken: Broken, lost: str, new: str) -> None:
    (broken.root / lost).unlink()
    found = broken.look()
    assert [f.kind for f in found] == [Kind.LOST_TICKET]
    repair(broken.lab.spool, found, no_wait)
    assert (broken.root / new).is_file()
    assert broken.look() == []


def test_a_lost_ticket_of_a_batch_that_comes_after_others_is_held(broken: Broken) -> None:
    broken.lab.drop("last.yaml", job_file("last", {"a": ""}, "after: ns/none"))
    broken.lab.sweep()
    (broken.root / "batches/ns/last/held/a~1").unlink()
    repair(broken.lab.spool, broken.look(), no_wait)
    assert (broken.root / "batches/ns/last/held/a~1001").is_file()
    assert broken.look() == []


def test_a_lost_ticket_without_a_result_isnt_run_in_a_batch_that_has_ended(broken: Broken) -> None:
    (broken.root / "finished/ns/e/failed/k~1@n1").unlink()
    shutil.rmtree(broken.result("k", broken.ended))
    repair(broken.lab.spool, broken.look(), no_wait)
    assert (broken.root / "finished/ns/e/cancelled/k~1001").is_file()
    assert broken.look() == []


@pytest.mark.parametrize("content", [b"{", None])
def test_a_lost_ticket_isnt_made_anew_beside_a_result_that_cant_be_read(
    broken: Broken, content: bytes | None
) -> None:
    (broken.root / "batches/ns/b/done/a~1@n1").unlink()
    path = broken.result("a") / ".job.json"
    spoil(path, content or path.read_bytes().replace(b'"node":"n1"', b'"node":"../n1"'))
    lost = [f for f in broken.look() if f.kind is Kind.LOST_TICKET]
    assert [f.repair for f in lost] == [None]
    assert lost[0].job == "a"


def test_a_lost_attempt_that_left_a_trace_isnt_counted_again(broken: Broken) -> None:
    stage(broken.lab.spool, broken.lab.result(broken.live, Ticket("f", 1002, "n2")))
    (broken.root / "batches/ns/b/pending/f~2").unlink()
    repair(broken.lab.spool, broken.look(), no_wait)
    assert (broken.root / "batches/ns/b/pending/f~2001").is_file()


def test_a_ticket_that_is_there_again_isnt_made_anew(broken: Broken) -> None:
    ticket = broken.root / "batches/ns/b/pending/p~1"
    ticket.unlink()
    found = broken.look()
    ticket.with_name("p~2").touch()
    done = repair(broken.lab.spool, found, no_wait)
    assert done[0].fate is Fate.FAILED
    assert "isn't lost now" in done[0].trouble
    assert broken.look() == []


def test_the_steward_goes_on_after_a_repair(broken: Broken) -> None:
    """A batch that hung for ever comes to its end."""
    (broken.root / "batches/ns/b/claimed/c~1@n1").unlink()
    (broken.root / "batches/ns/b/held/d~1").unlink()
    repair(broken.lab.spool, broken.look(), no_wait)
    for job in "fcp":
        broken.lab.complete(broken.live, job)
    broken.lab.sweep()
    broken.lab.complete(broken.live, "d")
    broken.lab.sweep()
    assert broken.lab.ref("b").finished
    record = read_record(broken.lab.spool, broken.result("c"))
    assert record is not None
    assert record.attempt == 1001
    assert broken.look(checksums=True) == []


def test_one_who_repairs_waits_for_another(broken: Broken) -> None:
    (broken.root / "batches/ns/b/pending/p~1").unlink()
    found = broken.look()
    from spoold.leases import make_lease

    other = make_lease(broken.root / "tmp/fsck.lease", broken.lab.spool.settings)
    other.acquire()
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        assert not (broken.root / "batches/ns/b/pending/p~1001").exists()
        if len(waited) == 3:
            other.release()

    assert repair(broken.lab.spool, found, wait)[0].fate is Fate.REPAIRED
    assert len(waited) == 3


def test_a_content_that_changed_is_found_with_checksums_only(broken: Broken) -> None:
    path = broken.object()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    path.chmod(0o444)
    read: list[int] = []
    assert broken.look() == []
    found = check(broken.lab.spool, True, no_wait, read.append)
    assert [f.kind for f in found] == [Kind.OBJECT_DAMAGED]
    assert sum(read) >= len("input")


def test_inputs_that_nobody_needs_are_noted_once_they_are_old(broken: Broken) -> None:
    folder = broken.root / "store/00"
    folder.mkdir(FOLDER_MODE)
    unused = folder / ("0" * 64)
    unused.touch()
    unused.chmod(0o444)
    assert broken.look() == []
    os.utime(unused, OLD)
    assert [(f.severity, f.kind) for f in broken.look()] == [(Severity.NOTE, Kind.OBJECTS_UNUSED)]
    spoil(broken.live.folder.jobs)
    assert [f.kind for f in broken.look()] == [Kind.UNREADABLE], "nobody knows what that batch needs"


def test_a_drop_that_was_begun_is_noted_once_it_is_old(broken: Broken) -> None:
    part = broken.root / "incoming/.big.part"
    part.touch()
    assert broken.look() == []
    os.utime(part, OLD)
    (found,) = broken.look()
    assert (found.severity, found.kind, found.path) == (Severity.NOTE, Kind.DROP_LEFT, part)
    assert str(part) in found.next


def test_what_moves_on_between_two_looks_is_no_finding(broken: Broken) -> None:
    """A ticket that is nowhere, a batch in two places, a staged result: at the second look all is well."""
    pending = broken.root / "batches/ns/b/pending/p~1"
    pending.rename(broken.root / "incoming/.hidden")
    staged(broken)
    (broken.root / "archive/ns/z").mkdir()

    def go_on(seconds: float) -> None:
        assert seconds > 0
        (broken.root / "incoming/.hidden").rename(pending)
        shutil.rmtree(broken.root / "archive/.staging/ns")
        (broken.root / "archive/ns/z").rmdir()

    assert check(broken.lab.spool, wait=go_on) == []


def test_a_ticket_that_moves_during_a_listing_isnt_lost(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given back between the listing of pending and that of claimed, then claimed again."""
    from spoold.checking import sights

    list_folder, moves = sights.list_folder, []
    claimed, pending = (broken.live.folder.state(state) for state in (State.CLAIMED, State.PENDING))

    def list_moving(folder: Path) -> dict[str, object] | None:
        listed = list_folder(folder)
        if folder == pending and (claimed / "c~1@n1").exists():
            moves.append("back")
            (claimed / "c~1@n1").rename(pending / "c~2")
        return listed  # type: ignore[return-value]

    monkeypatch.setattr(sights, "list_folder", list_moving)
    _, lost, doubled = sights.see_tickets(broken.lab.spool, broken.live.folder, list("afcpd"))
    assert (lost, doubled, moves) == (frozenset(), {}, ["back"])
    assert broken.look() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user, which only root may")
def test_what_others_own_is_named_and_left(broken: Broken) -> None:
    state = broken.live.folder.state(State.PENDING)
    os.chown(state, 65534, 65534)
    state.chmod(0o777)
    found = broken.look()
    assert [(f.kind, f.repair) for f in found] == [(Kind.OWNER, None)]


def test_a_living_steward_mends_what_is_only_noted(broken: Broken) -> None:
    published(broken)
    staged(broken)
    assert {f.severity for f in broken.look()} == {Severity.NOTE}
    steward = broken.lab.steward()
    steward.sweep()
    broken.lab.clock.now_s += 11.0
    steward.sweep()
    wait_until(lambda: broken.look() == [], within_s=5.0)

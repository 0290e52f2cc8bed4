"""The power fails at any moment of a job's life: what was not flushed is lost, and everybody begins again.

The calls of one life are recorded; a model of the disk replays each beginning of them. Two kinds of file
systems: one that keeps the order of what it does to names (as ext4 does) while the contents of files that
weren't flushed are lost or cut; and one that keeps no order at all, so that any renames and removals since
the last flush may be taken back, and later ones not. The node's own disk is another one, and is as it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest

from nodewatch.attempts import AttemptFolder
from spoold.checking.verification import find_results, verify
from spoold.drops import look_at
from spoold.snapshot import BatchRef
from spoold.spool import open_spool
from spoold.tickets import Ticket
from tests.spool.faulty import LOCAL, READS, Call, Plan
from tests.spool.lab import Disk as LabDisk
from tests.spool.lab import Lab, make_lab
from tests.spool.living import check_end
from tests.spool.node_life import NodeLife
from tests.spool.stable import Disk, Keep, is_step, keep_half, keep_nothing

pytestmark = pytest.mark.timeout(400)

DROP = "b.yaml"
ALL_SETS_UP_TO = 5


@dataclass(frozen=True)
class Story:
    """A life that was lived: the disk before it, the calls, and the drop's id; ``kept`` are attempts as they once were."""

    lab: Lab
    before: Disk
    calls: list[Call]
    drop_id: bytes
    kept: Path

    def at(self, end: int, lost: frozenset[int] = frozenset()) -> Disk:
        """The disk after the first ``end`` calls, without those in ``lost``."""
        disk = self.before.copy()
        disk.replay(self.calls[:end], lost)
        return disk

    def restore(self, end: int, scratch: Path) -> None:
        """The node's own disk at that time: the attempts that had ended there and weren't removed yet."""
        newest: dict[str, Path | None] = {}
        for call in self.calls[:end]:
            if call.actor == LOCAL:
                name = str(call.paths[0].relative_to(self.lab.scratch))
                newest[name] = call.paths[1] if call.name == "changed" else None
        for name, kept in newest.items():
            if kept:
                shutil.copytree(kept, scratch / name)

    def done(self, end: int) -> set[str]:
        """The jobs that were done by then."""
        moves = [call.paths[1] for call in self.calls[:end] if call.name == "rename"]
        return {Ticket.parse(path.name).job for path in moves if path.parent.name == "done"}


@pytest.fixture
def story(fast_folder: Path, hurry: None, monkeypatch: pytest.MonkeyPatch) -> Story:
    lab, kept = make_lab(fast_folder / "lived"), fast_folder / "kept"
    plan = Plan()
    life = NodeLife(lab, plan)
    with monkeypatch.context() as patching:
        watch_disk(patching, plan, kept)
        life.submit()
        before = Disk.load(lab.spool.root)
        drop = look_at(lab.spool, DROP)
        assert drop is not None
        life.run()
    calls = [call for call in plan.calls if call.name not in READS and call.name != "made"]
    return Story(lab, before, calls, drop.id.encode(), kept)


def watch_disk(patching: pytest.MonkeyPatch, plan: Plan, kept: Path) -> None:
    """Keep a copy of every state of an attempt on the node's disk, once it has ended."""
    note_run, become, remove = NodeLife.note_run, AttemptFolder.become, AttemptFolder.remove

    def keep(folder: AttemptFolder) -> None:
        copy = kept / str(len(plan.calls))
        shutil.copytree(folder.path, copy)
        plan.calls.append(Call(LOCAL, "changed", (folder.path, copy)))

    def noting(life: NodeLife, ref: BatchRef, ticket: Ticket, folder: AttemptFolder) -> None:
        keep(folder)
        note_run(life, ref, ticket, folder)

    def becoming(folder: AttemptFolder, ticket: Ticket) -> None:
        become(folder, ticket)
        keep(folder)

    def removing(folder: AttemptFolder) -> None:
        plan.calls.append(Call(LOCAL, "removed", (folder.path,)))
        remove(folder)

    patching.setattr(NodeLife, "note_run", noting)
    patching.setattr(AttemptFolder, "become", becoming)
    patching.setattr(AttemptFolder, "remove", removing)


def windows(calls: list[Call]) -> Iterator[range]:
    """Between two flushes: the indices of the calls that a failure may take back."""
    flushes = [index for index, call in enumerate(calls) if call.name == "sync"]
    for start, end in zip([0, *(index + 1 for index in flushes)], [*flushes, len(calls)], strict=True):
        yield range(start, end)


def disordered(calls: list[Call]) -> Iterator[tuple[int, frozenset[int]]]:
    """How many calls were made, and which of them are lost: all since a flush, or some of its steps.

    Where there are many steps: two of them, one, or all but one.
    """
    for window in windows(calls):
        yield window.stop, frozenset(window)
        steps = [index for index in window if is_step(calls[index])]
        most = len(steps)
        for count in range(most + 1) if most <= ALL_SETS_UP_TO else (0, 1, 2, most - 1):
            yield from ((window.stop, frozenset(lost)) for lost in combinations(steps, count))


def survive(story: Story, folder: Path, end: int, disk: Disk, keep: Keep) -> None:
    """Everybody begins again on what is left: the node with what it had, and another one without.

    What was done isn't done again where that node comes back, whether the failure took it back or not.
    """
    for node in ("n1", "n3"):
        folder.mkdir()
        disk.write_to(folder, keep)
        lab = Lab(open_spool(folder, LabDisk(folder)), folder.with_name("scratch"))
        story.restore(end, lab.scratch)
        _recognise(lab, story.drop_id)
        results = find_results(lab.spool, "ns", None, None)
        assert [difference for place in results for difference in verify(place)] == []
        life = NodeLife(lab, Plan(), node=node)
        life.go_on()
        life.run()
        check_end(lab, node, repeated=True)
        assert node != "n1" or not story.done(end) & {Ticket.parse(ran).job for ran in life.ran}
        shutil.rmtree(folder)
        shutil.rmtree(lab.scratch)


def _recognise(lab: Lab, drop_id: bytes) -> None:
    """The drop is a copy here; on a real disk it would be the file that it was."""
    drop = look_at(lab.spool, DROP)
    for header in lab.spool.root.rglob("batch.json") if drop else ():
        header.write_bytes(header.read_bytes().replace(drop_id, drop.id.encode() if drop else b""))


def test_a_disk_that_keeps_the_order_of_names(story: Story, fast_folder: Path) -> None:
    seen: set[str] = set()
    for end in range(len(story.calls) + 1):
        disk = story.at(end)
        for keep in (keep_nothing, keep_half):
            if not known(disk, keep, seen):
                survive(story, fast_folder / "left", end, disk, keep)
    assert len(seen) > 200


def test_a_disk_that_keeps_no_order(story: Story, fast_folder: Path) -> None:
    seen: set[str] = set()
    for end, lost in disordered(story.calls):
        disk = story.at(end, lost)
        if not known(disk, keep_nothing, seen):
            survive(story, fast_folder / "left", end, disk, keep_nothing)
    assert len(seen) > 80


def known(disk: Disk, keep: Keep, seen: set[str]) -> bool:
    digest = disk.digest(keep)
    before = digest in seen
    seen.add(digest)
    return before

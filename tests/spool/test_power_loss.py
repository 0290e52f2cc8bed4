"""The power fails at any moment of a job's life: what was not flushed is lost, and everybody begins again.

The calls of one life are recorded; a model of the disk replays each beginning of them. Two kinds of file
systems: one that keeps the order of what it does to names (as ext4 does) while the contents of files that
weren't flushed are lost or cut; and one that keeps no order at all, so that any renames and removals since
the last flush may be taken back, and later ones not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest

from spoold.checking.verification import find_results, verify
from spoold.drops import look_at
from spoold.spool import open_spool
from tests.spool.faulty import READS, Call, Plan
from tests.spool.lab import Disk as LabDisk
from tests.spool.lab import Lab, make_lab
from tests.spool.life import Life
from tests.spool.living import check_end
from tests.spool.stable import Disk, Keep, is_step, keep_half, keep_nothing

DROP = "b.yaml"
ALL_SETS_UP_TO = 5


@dataclass(frozen=True)
class Story:
    """A life that was lived: the disk before it, the calls, and the drop's id."""

    lab: Lab
    before: Disk
    calls: list[Call]
    drop_id: bytes

    def at(self, end: int, lost: frozenset[int] = frozenset()) -> Disk:
        """The disk after the first ``end`` calls, without those in ``lost``."""
        disk = self.before.copy()
        disk.replay(self.calls[:end], lost)
        return disk


@pytest.fixture
def story(fast_folder: Path, hurry: None) -> Story:
    lab = make_lab(fast_folder / "lived")
    plan = Plan()
    life = Life(lab, plan)
    life.submit()
    before = Disk.load(lab.spool.root)
    drop = look_at(lab.spool, DROP)
    assert drop is not None
    life.run()
    return Story(lab, before, [call for call in plan.calls if call.name not in READS], drop.id.encode())


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


def survive(story: Story, folder: Path, disk: Disk, keep: Keep) -> None:
    """Everybody begins again on what is left: the node with what it had, and another one without."""
    for node in ("n1", "n3"):
        folder.mkdir()
        disk.write_to(folder, keep)
        lab = Lab(open_spool(folder, LabDisk(folder)), story.lab.scratch)
        _recognise(lab, story.drop_id)
        results = find_results(lab.spool, "ns", None, None)
        assert [difference for place in results for difference in verify(place)] == []
        life = Life(lab, Plan(), node=node)
        life.go_on()
        life.run()
        check_end(lab, repeated=True)
        shutil.rmtree(folder)


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
                survive(story, fast_folder / "left", disk, keep)
    assert len(seen) > 200


def test_a_disk_that_keeps_no_order(story: Story, fast_folder: Path) -> None:
    seen: set[str] = set()
    for end, lost in disordered(story.calls):
        disk = story.at(end, lost)
        if not known(disk, keep_nothing, seen):
            survive(story, fast_folder / "left", disk, keep_nothing)
    assert len(seen) > 80


def known(disk: Disk, keep: Keep, seen: set[str]) -> bool:
    digest = disk.digest(keep)
    before = digest in seen
    seen.add(digest)
    return before

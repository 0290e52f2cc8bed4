"""Results that wait are put on stable storage together, and stay on the node's disk until they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from nodewatch.attempts import AttemptFolder
from nodewatch.capacity import Grant
from nodewatch.process import ExitRecord
from nodewatch.queue import Claimed
from nodewatch.uploading import Upload, Uploader
from spoold.calls import Kernel
from spoold.fsops import FileOps
from spoold.snapshot import BatchRef, read_header, read_jobs, read_state
from spoold.spool import Spool
from spoold.tickets import State
from tests.spool.lab import Lab, make_lab
from tests.support import wait_until

JOBS = 100
ENDED = ExitRecord(0, None, 1.0, 2.0, 1.0, 0.0, 0.0, 1, 0, None, None)


@dataclass
class Disk(Kernel):
    """``look`` tells, at each flush, how much is staged, done and still on the node's disk; those ``failing`` fail."""

    look: Callable[[], tuple[int, int, int]]
    flushes: list[tuple[int, int, int]] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)

    def sync(self, folder: Path) -> None:
        self.flushes.append(self.look())
        if len(self.flushes) in self.failing:
            raise OSError(5, "Input/output error")


@dataclass
class Node:
    """An uploader and the ``JOBS`` attempts that have ended on its disk."""

    lab: Lab
    ref: BatchRef
    disk: Disk
    uploader: Uploader
    uploads: list[Upload]
    done: Event

    def left(self) -> int:
        return sum(upload.folder.path.exists() for upload in self.uploads)

    def look(self) -> tuple[int, int, int]:
        staged = list(self.lab.spool.layout.staging_root.glob("*/*/*"))
        return len(staged), len(read_state(self.lab.spool, self.ref.folder, State.DONE)), self.left()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    lab, done = make_lab(tmp_path), Event()
    ref = lab.submit("b", {f"j{number}": "" for number in range(JOBS)})
    header, jobs = read_header(lab.spool, ref.folder), read_jobs(lab.spool, ref.folder)
    assert header
    assert jobs
    uploads = []
    for job in jobs.jobs:
        folder = AttemptFolder(tmp_path / "runs" / f"{job.name}~1")
        folder.complete()
        folder.save.mkdir()
        uploads.append(
            Upload(Claimed(ref, header, job, lab.claim(ref, job.name), Grant((0,))), folder, ENDED)
        )
    disk = Disk(lambda: one.look())
    spool = Spool(lab.spool.layout, FileOps(lab.spool.root, disk), lab.spool.settings)
    one = Node(lab, ref, disk, Uploader(spool, "n1", done.set), uploads, done)
    return one


def test_results_that_wait_share_their_flushes(node: Node) -> None:
    for upload in node.uploads:
        node.uploader.put(upload)
    node.uploader.start()
    wait_until(lambda: node.left() == 0, what="the disk is tidy")
    # What is staged; then the next group's flush settles the first one; the last one has a flush of its own.
    assert node.disk.flushes == [(64, 0, 100), (36, 64, 100), (0, 100, 36)]
    node.uploader.close(10.0)
    assert len(node.disk.flushes) == 3


def test_what_is_told_to_end_settles_first(node: Node) -> None:
    node.uploader.start()
    node.uploader.put(node.uploads[0])
    node.uploader.close(10.0)
    assert node.look() == (0, 1, JOBS - 1)
    assert node.disk.flushes == [(1, 0, JOBS), (0, 1, JOBS)]


def test_results_stay_while_they_cant_be_flushed(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.disk.failing = {2}
    node.uploader.start()
    node.uploader.put(node.uploads[0])
    assert node.done.wait(10.0)
    wait_until(lambda: node.left() < JOBS)
    node.uploader.close(10.0)
    assert node.disk.flushes == [(1, 0, JOBS), (0, 1, JOBS), (0, 1, JOBS)]
    assert "can't flush what was published" in caplog.text

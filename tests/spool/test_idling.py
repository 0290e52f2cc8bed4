"""What a steward with nothing to do asks the disk for, and that it misses nothing by asking for less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from spoold.calls import Kernel
from spoold.daemon import StewardLoop
from spoold.fsops import FileOps
from spoold.snapshot import list_batches
from spoold.spool import Settings, Spool, init_spool, open_spool
from tests.spool.lab import job_file
from tests.support import wait_until


class CountingKernel(Kernel):
    """Counts the listings of each folder."""

    def __init__(self) -> None:
        self.listed: Counter[str] = Counter()

    def listdir(self, folder: Path) -> list[str]:
        self.listed[folder.name] += 1
        return super().listdir(folder)


@contextmanager
def running(loop: StewardLoop, stop: Event, wake: Event) -> Iterator[None]:
    thread = Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        wake.set()
        thread.join()


def make(folder: Path, kernel: Kernel, heartbeat_s: float = 15.0, lease_s: float = 180.0) -> Spool:
    root = folder / "spool"
    init_spool(root, Settings(heartbeat_s=heartbeat_s, lease_s=lease_s, rescan_s=0.02, settle_s=0.05))
    return open_spool(root, FileOps(root, kernel))


def test_an_idle_steward_looks_at_the_drop_box_and_seldom_elsewhere(fast_folder: Path) -> None:
    kernel, stop, wake, work = CountingKernel(), Event(), Event(), Event()
    spool = make(fast_folder, kernel)
    loop = StewardLoop(spool, stop, wake, work.set)
    with running(loop, stop, wake):
        wait_until(lambda: kernel.listed["incoming"] >= 40, within_s=60.0)
        listed = kernel.listed.copy()
        assert loop.sees_no_batch
        assert not work.is_set()
        assert listed["batches"] <= listed["incoming"] / 3
        (spool.layout.incoming / "b.yaml").write_text(job_file("b", {"a": ""}))
        wait_until(work.is_set, what="it tells that there is work")
        wait_until(lambda: not loop.sees_no_batch)
        assert [ref.key for ref in list_batches(spool)] == ["ns/b"]


def test_a_batch_that_another_steward_admitted_is_seen(fast_folder: Path) -> None:
    kernel, stop, wake = CountingKernel(), Event(), Event()
    spool = make(fast_folder, kernel)
    loop = StewardLoop(spool, stop, wake)
    with running(loop, stop, wake):
        wait_until(lambda: loop.sees_no_batch)
        (spool.layout.batches / "ns" / "b").mkdir(parents=True)
        wait_until(lambda: not loop.sees_no_batch)


def test_a_steward_whose_lease_is_refreshed_is_only_looked_at_until_it_ends(fast_folder: Path) -> None:
    spool = make(fast_folder, Kernel(), heartbeat_s=0.1, lease_s=30.0)
    ends = [(Event(), Event()) for _ in range(2)]
    loops = [StewardLoop(spool, *end) for end in ends]
    with running(loops[1], *ends[1]):
        with running(loops[0], *ends[0]):
            wait_until(lambda: sum(loop.holding for loop in loops) == 1)
        wait_until(lambda: loops[1].holding, what="the other follows, if it wasn't the first")

"""Results that wait at once, as after a file server was away: how many flushes they share, and their time."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

from nodewatch.attempts import AttemptFolder
from nodewatch.capacity import Grant
from nodewatch.process import ExitRecord
from nodewatch.queue import Claimed
from nodewatch.uploading import Upload, Uploader
from spoold.calls import Kernel
from spoold.claims import claim
from spoold.fsops import FileOps
from spoold.records import BatchHeader, BatchJobs, JobSpec
from spoold.snapshot import BatchRef, list_batches, read_header, read_jobs, read_state
from spoold.spool import Spool
from spoold.tickets import State, Ticket

from .figures import BenchmarkError, Burst
from .large_spools import make_pending_spool

_NODE = "node1"
_WITHIN_S = 300.0
_ENDED = ExitRecord(0, None, 1.0, 2.0, 1.0, 0.0, 0.0, 1, 0, None, None)


class _Counting(Kernel):
    """The kernel, and how often it was asked to flush."""

    def __init__(self) -> None:
        self.flushes = 0

    def sync(self, folder: Path) -> None:
        self.flushes += 1
        super().sync(folder)


def measure_burst(folder: Path, jobs: int) -> Burst:
    """Archives ``jobs`` results by the daemon's own uploader. Raises BenchmarkError if that never ends."""
    plain, kernel, done = make_pending_spool(folder / "spool", 1, jobs), _Counting(), Event()
    spool = Spool(plain.layout, FileOps(plain.root, kernel), plain.settings)
    (ref,) = list_batches(spool)
    uploader = Uploader(spool, _NODE, done.set)
    for upload in _prepare(spool, ref, folder):
        uploader.put(upload)
    began_at = time.perf_counter()
    uploader.start()
    uploader.close(_WITHIN_S)
    took_s = time.perf_counter() - began_at
    archived = len(read_state(spool, ref.folder, State.DONE))
    if archived != jobs or not done.is_set():
        raise BenchmarkError(f"{archived} of {jobs} results could be archived", uploader.trouble)
    return Burst(jobs, kernel.flushes, took_s)


def _prepare(spool: Spool, ref: BatchRef, folder: Path) -> list[Upload]:
    """What no-ops leave on a node's disk; all are claimed."""
    header, jobs = read_header(spool, ref.folder), read_jobs(spool, ref.folder)
    assert isinstance(header, BatchHeader)
    assert isinstance(jobs, BatchJobs)
    return [_end(spool, ref, header, spec, folder / "runs") for spec in jobs.jobs]


def _end(spool: Spool, ref: BatchRef, header: BatchHeader, spec: JobSpec, runs: Path) -> Upload:
    ticket = claim(spool, ref.folder, Ticket(spec.name, 1), _NODE)
    assert ticket is not None
    attempt = AttemptFolder(runs / ticket.attempt_name)
    attempt.complete()
    attempt.save.mkdir()
    return Upload(Claimed(ref, header, spec, ticket, Grant((0,))), attempt, _ENDED)

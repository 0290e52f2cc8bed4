"""Reading which jobs wait in a spool."""

from __future__ import annotations

from collections.abc import Iterator

from distribute_cli.reports.ranking import WaitingBatch
from spoold.codec import RecordError
from spoold.snapshot import BatchRef, list_batches, read_builds, read_header, read_jobs, read_state
from spoold.spool import Spool
from spoold.tickets import State


def read_waiting(spool: Spool) -> tuple[WaitingBatch, ...]:
    """All batches that have pending jobs; one that can't be read is left out, as by nodes."""
    return tuple(batch for ref in list_batches(spool) for batch in _read(spool, ref))


def _read(spool: Spool, ref: BatchRef) -> Iterator[WaitingBatch]:
    pending = {ticket.job for ticket in read_state(spool, ref.folder, State.PENDING)}
    if not pending:
        return
    try:
        header, jobs = read_header(spool, ref.folder), read_jobs(spool, ref.folder)
    except RecordError:
        return
    if header is None or jobs is None:
        return
    waiting = tuple((place, job) for place, job in enumerate(jobs.jobs) if job.name in pending)
    builds = read_builds(spool, ref.folder)
    yield WaitingBatch(header, waiting, builds.ok, builds.failed)

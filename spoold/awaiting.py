"""Batches that another batch waits for: how they stand, as far as a listing tells."""

from __future__ import annotations

from enum import Enum

from spoold.snapshot import BatchRef, find_batch, read_header, read_state
from spoold.spool import Spool
from spoold.tickets import TERMINAL, State


class Standing(Enum):
    """How a batch stands; only the last two are final, unless somebody retries its jobs."""

    ABSENT = "absent"
    UNFINISHED = "unfinished"
    DONE = "done"
    FAILED = "failed"


def read_standing(spool: Spool, key: str) -> Standing:
    """How the batch ``NS/BATCH`` stands; ``FAILED`` if it has ended and a job of it isn't done."""
    namespace, _, batch = key.partition("/")
    ref = find_batch(spool, namespace, batch)
    if ref is None:
        return Standing.ABSENT
    return _judge_finished(spool, ref) if ref.finished else Standing.UNFINISHED


def _judge_finished(spool: Spool, ref: BatchRef) -> Standing:
    header = read_header(spool, ref.folder)
    if header is None:
        # RACE: it was reopened by a retry after it was found.
        return Standing.UNFINISHED
    if any(read_state(spool, ref.folder, state) for state in (State.FAILED, State.CANCELLED)):
        return Standing.FAILED
    if len(read_state(spool, ref.folder, State.DONE)) >= header.jobs_total:
        return Standing.DONE
    # NFS 3 may hide a name until its folder changes: then the next look sees it.
    for state in TERMINAL:
        spool.ops.refresh(ref.folder.state(state))
    return Standing.UNFINISHED

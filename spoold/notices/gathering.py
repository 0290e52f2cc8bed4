"""Reading from the spool what a notice tells."""

from __future__ import annotations

import os
import stat
from enum import Enum
from pathlib import Path

from spoold.codec import RecordError
from spoold.losses import judge_losses, read_losses
from spoold.notices.records import Notice, count_attempts
from spoold.notices.summary import JobEnd, Summary, end_of, summarise, with_stderr
from spoold.publication import STDERR
from spoold.records import JobRecord
from spoold.snapshot import BatchRef, find_batch, read_header, read_record, read_tickets
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_TAIL_BYTES = 8192
_NEVER_RAN = {
    State.FAILED: "no node could build the batch",
    State.CANCELLED: "it was cancelled before it ran",
}


class Standing(Enum):
    """What became of the end that a notice tells of."""

    ENDED = "ended"
    #: The batch isn't closed yet, or moves: it may be later.
    UNSEEN = "unseen"
    #: There is no such batch.
    GONE = "gone"
    #: Its jobs were retried since, or another batch has its name.
    OVERTAKEN = "overtaken"


def look_up(spool: Spool, notice: Notice) -> Standing:
    """How the batch stands. Raises OSError or RecordError."""
    ref = find_batch(spool, notice.namespace, notice.batch)
    if ref is None:
        return Standing.GONE
    header = read_header(spool, ref.folder)
    if header is None:
        return Standing.UNSEEN
    if header.id != notice.batch_id:
        return Standing.OVERTAKEN
    tickets = read_tickets(spool, ref.folder)
    latest = tickets.latest()
    attempts = count_attempts(latest)
    if attempts > notice.attempts:
        return Standing.OVERTAKEN
    ended = len(latest) == header.jobs_total and all(state.terminal for state, _ in latest.values())
    if ref.finished and ended and attempts == notice.attempts:
        return Standing.ENDED
    if ref.finished:
        # NFS 3 may hide a name until its folder changes.
        for state in State:
            spool.ops.refresh(ref.folder.state(state))
    return Standing.UNSEEN


def gather(spool: Spool, notice: Notice) -> Summary | None:
    """All that there is to tell; None if the batch moves on meanwhile. Raises OSError or RecordError."""
    ref = find_batch(spool, notice.namespace, notice.batch)
    header = read_header(spool, ref.folder) if ref else None
    if ref is None or header is None:
        return None
    losses = tuple(read_losses(spool, ref.folder))
    latest = read_tickets(spool, ref.folder).latest()
    if count_attempts(latest) != notice.attempts:
        return None
    ends: list[JobEnd] = []
    for state, ticket in latest.values():
        reason = judge_losses(losses, ticket.job) or _NEVER_RAN.get(state, "")
        ends.append(end_of(state, ticket, _read_result(spool, ref, ticket), reason))
    summary = summarise(notice, header, str(spool.root), ends)
    failed = [one for one in summary.failed if one.ending]
    return with_stderr(summary, {one.job: _read_stderr(spool, ref, one.job) for one in failed})


def _read_result(spool: Spool, ref: BatchRef, ticket: Ticket) -> JobRecord | None:
    if ticket.node is None:
        return None
    try:
        return read_record(spool, spool.layout.archived_job(ref.namespace, ref.batch, ticket.job))
    except RecordError:
        # `fsck` names it; the rest can be told.
        return None


def _read_stderr(spool: Spool, ref: BatchRef, job: str) -> bytes:
    path = spool.layout.archived_job(ref.namespace, ref.batch, job) / STDERR
    try:
        return read_tail(path, _TAIL_BYTES)
    except OSError:
        return b""


def read_tail(path: Path, most_bytes: int) -> bytes:
    """The end of a regular file; no link is followed. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            return b""
        return os.pread(handle, most_bytes, max(0, info.st_size - most_bytes))
    finally:
        os.close(handle)

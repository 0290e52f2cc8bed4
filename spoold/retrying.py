"""Running jobs of a batch again that ended badly."""

from __future__ import annotations

from contextlib import suppress

from distribute_compute_config.errors import DistributeError
from distribute_compute_config.names import check_name
from spoold.losses import clear_losses
from spoold.records import BatchHeader, JobSpec, RetryRequest
from spoold.snapshot import BatchRef, find_batch, has_work, read_header, read_jobs, read_state
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_AGAIN = (State.FAILED, State.CANCELLED)


class NotRetried(DistributeError):
    """A request to retry jobs can't be carried out."""


def carry_out(spool: Spool, request: RetryRequest, uid: int) -> bool:
    """Give the named tickets their next attempt; those that moved on meanwhile are left alone.

    False: the batch was moving, so that it must be tried again. Raises NotRetried or InvalidName. Safe to
    repeat: a request names attempts, and an attempt ends once.
    """
    tickets = _read_request(request)
    ref = find_batch(spool, request.namespace, request.batch)
    if ref is None:
        raise NotRetried(f"{request.namespace}/{request.batch} isn't in this spool")
    jobs = read_jobs(spool, ref.folder)
    header = read_header(spool, ref.folder)
    if jobs is None or header is None:
        return False
    _check_uid(spool, ref, header, uid)
    if not _ended(spool, ref, tickets) and not (ref.finished and has_work(spool, ref.folder)):
        return True
    _clear_marks(spool, ref)
    clear_losses(spool, ref.folder, {ticket.job for ticket in tickets})
    if ref.finished:
        ref = _reopen(spool, ref)
    depths = depths_of(jobs.jobs)
    # Dependencies first: a held job whose dependency still lies in failed/ would be cancelled again.
    for state, ticket in sorted(_ended(spool, ref, tickets), key=lambda one: depths.get(one[1].job, 0)):
        target = State.HELD if depths.get(ticket.job) or header.after else State.PENDING
        spool.ops.move(ref.folder.ticket(state, ticket), ref.folder.ticket(target, ticket.next_attempt()))
    # RACE: a steward that saw only ended jobs may have closed the batch meanwhile, with all or none of them
    # moved: then it must be opened again.
    now = find_batch(spool, request.namespace, request.batch)
    return now is not None and not now.finished


def _read_request(request: RetryRequest) -> set[Ticket]:
    check_name("namespace", request.namespace)
    check_name("batch", request.batch)
    try:
        return {Ticket.parse(text) for text in request.tickets}
    except ValueError as error:
        raise NotRetried("the request is broken", str(error), "make one with: distribute retry") from error


def _ended(spool: Spool, ref: BatchRef, tickets: set[Ticket]) -> list[tuple[State, Ticket]]:
    return [(s, t) for s in _AGAIN for t in read_state(spool, ref.folder, s) if t in tickets]


def depths_of(jobs: tuple[JobSpec, ...]) -> dict[str, int]:
    """How many jobs stand before each one in its longest chain of dependencies."""
    depths: dict[str, int] = {}
    waiting = {job.name: job.depends for job in jobs}
    while ready := [name for name, needs in waiting.items() if all(need in depths for need in needs)]:
        for name in ready:
            depths[name] = max((depths[need] + 1 for need in waiting.pop(name)), default=0)
    return depths


def _check_uid(spool: Spool, ref: BatchRef, header: BatchHeader, uid: int) -> None:
    """Raises NotRetried."""
    if uid not in {header.submitter_uid, spool.root.lstat().st_uid, 0}:
        raise NotRetried(f"{ref.key} belongs to {header.submitter}", "only its submitter may retry it")


def _reopen(spool: Spool, ref: BatchRef) -> BatchRef:
    folder = spool.layout.batch(ref.namespace, ref.batch)
    spool.ops.move_in(ref.folder.path, folder.path)
    return BatchRef(ref.namespace, ref.batch, folder, False)


def _clear_marks(spool: Spool, ref: BatchRef) -> None:
    """A kill or a failed build of the past must not hit the next attempt."""
    for name in spool.ops.names(ref.folder.builds):
        if name.endswith(".failed"):
            spool.ops.unlink(ref.folder.builds / name)
    for name in spool.ops.names(ref.folder.path):
        if name == "kill" or name.startswith("kill~"):
            # A stranger's folder of that name cancels nothing, and keeps nobody from a retry.
            with suppress(IsADirectoryError):
                spool.ops.unlink(ref.folder.path / name)

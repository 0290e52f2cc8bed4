"""`distribute kill NS/BATCH[/JOB]`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.errors import did_you_mean_batch
from distribute_cli.output import say, tell
from distribute_cli.targets import Target, TargetType, require_batch, require_job
from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from pathlib import Path

    from spoold.records import BatchHeader
    from spoold.snapshot import BatchRef
    from spoold.spool import Spool
    from spoold.tickets import State, Ticket

#: So long somebody else's mark may be in the way: the steward removes it with its next sweep.
_PATIENCE_S = 10.0


@click.command()
@click.argument("target", type=TargetType(2, 3))
@click.option("--reason", metavar="TEXT", default="", help="Why; kept with each job that it cancels.")
@spool_option
def command(target: Target, reason: str) -> None:
    """Cancel a batch, or one job of it: what waits is cancelled, what runs is stopped.

    Results that are there already stay. Only the batch's submitter, the service user and root may do this.
    """
    from distribute_cli.permissions import require_submitter

    spool = current_spool()
    ref, header = _find(spool, target)
    require_submitter(spool, header, "cancel")
    jobs = _list_open(spool, ref, target)
    if _mark(spool, ref, header, target.job, reason):
        say(_describe(target, jobs))
    else:
        say(f"{target} is being cancelled already")
    tell(f"see it end: distribute status {header.key}")


def _find(spool: Spool, target: Target) -> tuple[BatchRef, BatchHeader]:
    from spoold.snapshot import list_batches, read_header

    assert target.batch is not None
    ref = require_batch(spool, target.namespace, target.batch)
    header = read_header(spool, ref.folder)
    if ref.finished or header is None:
        near = did_you_mean_batch(ref.key, [one.key for one in list_batches(spool)])
        raise DistributeError(
            f"{ref.key} has ended", "there is nothing to cancel", near or f"see: distribute status {ref.key}"
        )
    return ref, header


def _list_open(spool: Spool, ref: BatchRef, target: Target) -> list[tuple[State, Ticket]]:
    """The jobs that haven't ended. Raises NotFound, or DistributeError if the one that is meant has."""
    from spoold.snapshot import read_jobs, read_tickets

    latest = read_tickets(spool, ref.folder).latest()
    if target.job is None:
        return [(state, ticket) for state, ticket in latest.values() if not state.terminal]
    jobs = read_jobs(spool, ref.folder)
    if jobs is None:
        raise _just_ended(ref)
    require_job(target, [job.name for job in jobs.jobs])
    found = latest.get(target.job)
    if found and found[0].terminal:
        raise DistributeError(
            f"{target} has ended", f"it is {found[0].value}", f"see: distribute status {ref.key}"
        )
    return [found] if found else []


def _mark(spool: Spool, ref: BatchRef, header: BatchHeader, job: str | None, reason: str) -> bool:
    """Put the mark there; False if one that counts is there. Raises DistributeError if it can't be.

    One that doesn't count is in the way until the steward removes it.
    """
    from distribute_cli.reading.nodes import has_steward
    from spoold.polling import poll

    mark = ref.folder.kill(job)
    patience_s = _PATIENCE_S if has_steward(spool) else 0.0
    made = poll(lambda: _try_to_mark(spool, ref, header, mark, reason), patience_s)
    if made is None:
        raise _in_the_way(mark)
    return made


def _try_to_mark(spool: Spool, ref: BatchRef, header: BatchHeader, mark: Path, reason: str) -> bool | None:
    """As ``_mark``, but None if something without effect is in the way."""
    from spoold.layout import FILE_MODE
    from spoold.snapshot import may_act

    text = " ".join(reason.split())
    try:
        spool.ops.write_new(mark, f"{text}\n".encode() if text else b"")
    except FileNotFoundError as error:
        raise _just_ended(ref) from error
    except FileExistsError:
        return False if may_act(spool, mark, header.submitter_uid) else None
    # RACE: the batch may have moved; then the mark has done its work. The reason must be readable, whatever
    # this person's umask is.
    with suppress(FileNotFoundError):
        spool.ops.set_mode(mark, FILE_MODE)
    return True


def _in_the_way(mark: Path) -> DistributeError:
    from spoold.access import identity_of

    owner = identity_of(mark.lstat().st_uid).name
    return DistributeError(
        f"{mark} is in the way",
        f"{owner} made it, who may not cancel this batch, so it has no effect",
        "the steward removes it, and none is alive or can: start spoold or a nodewatch, then type this again",
    )


def _just_ended(ref: BatchRef) -> DistributeError:
    # RACE: its last job ended since we looked, and the steward moved it.
    return DistributeError(f"{ref.key} has just ended", "", f"see: distribute status {ref.key}")


def _describe(target: Target, jobs: list[tuple[State, Ticket]]) -> str:
    from distribute_cli.words import count
    from spoold.tickets import State

    waiting = sum(state in (State.HELD, State.PENDING) for state, _ in jobs)
    parts = [f"{waiting} waiting"] if waiting else []
    if running := len(jobs) - waiting:
        nodes = ", ".join(sorted({ticket.node for _, ticket in jobs if ticket.node}))
        parts.append(f"{running} on {nodes}" if nodes else f"{running} running")
    return f"cancelling {target}: {count(len(jobs), 'job')} ({', '.join(parts)})"

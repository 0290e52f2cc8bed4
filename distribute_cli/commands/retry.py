"""`distribute retry NS/BATCH`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.output import say, tell
from distribute_cli.targets import Target, TargetType, require_batch, require_job
from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from spoold.records import BatchHeader, JobSpec
    from spoold.snapshot import BatchRef
    from spoold.spool import Spool
    from spoold.tickets import State, Ticket

    Latest = dict[str, tuple[State, Ticket]]


@click.command()
@click.argument("target", type=TargetType(2, 2))
@click.option("--failed", is_flag=True, help="Only jobs that failed, not the cancelled ones.")
@click.option(
    "--job", "jobs", metavar="JOB", multiple=True, help="Only this job; may be given several times."
)
@spool_option
def command(target: Target, failed: bool, jobs: tuple[str, ...]) -> None:
    """Run the jobs of a batch again that failed or were cancelled.

    They get the inputs that were submitted. Earlier results are kept beside the new ones, as JOB~ATTEMPT.
    """
    from distribute_cli.following import describe_waiting, follow
    from distribute_cli.permissions import require_submitter
    from spoold.following import Fate

    spool = current_spool()
    assert target.batch is not None
    ref = require_batch(spool, target.namespace, target.batch)
    header, specs, latest = _read(spool, ref)
    require_submitter(spool, header, "retry")
    for job in jobs:
        require_job(Target(target.namespace, target.batch, job), [spec.name for spec in specs])
    again = _choose(ref, latest, failed, jobs)
    _check_dependencies(specs, latest, {ticket.job for ticket in again})
    drop = _request(spool, ref, again)
    if follow(spool, drop) is Fate.WAITING:
        tell(describe_waiting(spool))
    say(_describe(ref, again))
    tell(f"see it run: distribute status {ref.key} --watch")


def _read(spool: Spool, ref: BatchRef) -> tuple[BatchHeader, tuple[JobSpec, ...], Latest]:
    from spoold.snapshot import read_header, read_jobs, read_tickets

    header, jobs = read_header(spool, ref.folder), read_jobs(spool, ref.folder)
    if header is None or jobs is None:
        raise DistributeError(f"{ref.key} moved while it was read", "it has just ended", "type it again")
    return header, jobs.jobs, read_tickets(spool, ref.folder).latest()


def _choose(ref: BatchRef, latest: Latest, failed: bool, jobs: tuple[str, ...]) -> list[Ticket]:
    """The tickets to retry, sorted. Raises DistributeError if there is none."""
    from spoold.tickets import State

    states = {State.FAILED} if failed else {State.FAILED, State.CANCELLED}
    chosen = sorted(
        ticket for state, ticket in latest.values() if state in states and (not jobs or ticket.job in jobs)
    )
    left = sorted(set(jobs) - {ticket.job for ticket in chosen})
    if left:
        whys = [f"{job} is {latest[job][0].value}" if job in latest else f"{job} is moving" for job in left]
        raise DistributeError(
            f"{ref.key}: {', '.join(whys)}",
            "only what failed or was cancelled runs again",
            f"see: distribute status {ref.key}",
        )
    if not chosen:
        what = "no job has failed" if failed else "no job has failed or was cancelled"
        raise DistributeError(
            f"there is nothing to retry in {ref.key}", what, f"see: distribute status {ref.key}"
        )
    return chosen


def _check_dependencies(specs: Iterable[JobSpec], latest: Latest, again: set[str]) -> None:
    """A job whose dependency stays failed would be cancelled at once."""
    from spoold.tickets import State

    badly = (State.FAILED, State.CANCELLED)
    lost = {job for job, (state, _) in latest.items() if state in badly} - again
    for spec in specs:
        if spec.name in again and (needed := sorted(lost & set(spec.depends))):
            raise DistributeError(
                f"{spec.name} can't run again alone",
                f"it depends on {', '.join(needed)}, which didn't end well",
                "add: " + " ".join(f"--job {name}" for name in needed),
            )


def _request(spool: Spool, ref: BatchRef, tickets: list[Ticket]) -> Path:
    """Drop the request, whole; returns its path."""
    from spoold.codec import encode
    from spoold.following import name_drop
    from spoold.layout import FILE_MODE
    from spoold.records import RetryRequest

    request = RetryRequest(ref.namespace, ref.batch, tuple(str(ticket) for ticket in tickets))
    name = f"{name_drop(ref.key)}.retry"
    hidden, target = spool.layout.incoming / f".{name}", spool.layout.incoming / name
    spool.ops.write_new(hidden, encode(request))
    # The steward must be able to read it, whatever this person's umask is.
    spool.ops.set_mode(hidden, FILE_MODE)
    spool.ops.move(hidden, target)
    return target


def _describe(ref: BatchRef, tickets: list[Ticket]) -> str:
    from distribute_cli.words import count, join

    names = join([ticket.job for ticket in tickets])
    return f"running {count(len(tickets), 'job')} of {ref.key} again: {names}"

"""`distribute logs NS/BATCH/JOB`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.errors import NotFound
from distribute_cli.output import tell
from distribute_cli.targets import Target, TargetType, require_batch, require_job

if TYPE_CHECKING:
    from distribute_cli.tailing import Stream, Tail
    from spoold.snapshot import BatchRef
    from spoold.spool import Spool

#: Nodes refresh their live copies every two seconds.
FOLLOW_EVERY_S = 1.0


@click.command()
@click.argument("target", type=TargetType(at_least=2))
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@click.option("--stdout", "only", flag_value="stdout", help="Only what it prints on standard output.")
@click.option("--stderr", "only", flag_value="stderr", help="Only what it prints on standard error.")
@click.option(
    "--attempt", type=click.IntRange(min=1), metavar="N", help="An earlier attempt, from the archive."
)
@click.option("--build", is_flag=True, help="What the build of its batch printed.")
@spool_option
def command(target: Target, follow: bool, only: str | None, attempt: int | None, build: bool) -> None:
    """Show what a job prints: live from its node, after the end from the archive.

    What it wrote to standard error goes to standard error, unless --stderr asks for that alone.
    """
    spool = current_spool()
    assert target.batch is not None
    batch = require_batch(spool, target.namespace, target.batch)
    if build:
        if follow or only or attempt:
            raise click.UsageError("--build goes alone: a build's output is archived when it has ended.")
        _show_builds(spool, batch, target.job)
        return
    if target.job is None:
        raise click.UsageError("a job is wanted, as NS/BATCH/JOB (or --build, of a whole batch).")
    _require_known(spool, batch, target)
    if attempt is not None:
        if follow:
            raise click.UsageError("an attempt that --attempt names has ended: there is nothing to --follow.")
        _show_attempt(spool, batch, target.job, attempt, only)
        return
    tail = make_tail(spool, batch, target.job, only)
    if not follow:
        tail.step()
        return
    _follow(tail)


def _follow(tail: Tail) -> None:
    from spoold.polling import FOR_EVER_S, poll

    poll(lambda: tail.step() or None, FOR_EVER_S, FOLLOW_EVERY_S)


def _require_known(spool: Spool, batch: BatchRef, target: Target) -> None:
    from distribute_cli.tailing import find_ticket
    from spoold.snapshot import read_jobs

    if target.job is None or find_ticket(spool, batch, target.job) is not None:
        return
    jobs = read_jobs(spool, batch.folder)
    require_job(target, [job.name for job in jobs.jobs] if jobs else [])


def make_tail(spool: Spool, batch: BatchRef, job: str, only: str | None) -> Tail:
    """A tail that writes to this process's own streams."""
    from distribute_cli.tailing import Stream, Tail

    streams = [Stream(only)] if only else list(Stream)
    return Tail(spool, batch, job, streams, _emitter(only), tell)


def _emitter(only: str | None) -> Callable[[Stream, bytes], None]:
    """Writes to this process's own streams; all of it to standard output where ``only`` one is wanted."""
    from distribute_cli.tailing import Stream

    def emit(stream: Stream, data: bytes) -> None:
        click.echo(data, nl=False, err=stream is Stream.STDERR and only is None)

    return emit


def _show_attempt(spool: Spool, batch: BatchRef, job: str, attempt: int, only: str | None) -> None:
    """What an attempt in the archive printed. Raises NotFound, naming those that are there."""
    from distribute_cli.reading.batch import read_attempts
    from distribute_cli.tailing import Stream, emit_archived
    from distribute_cli.words import join

    folders = {
        record.attempt: name for name, record in read_attempts(spool, batch.namespace, batch.batch, job)
    }
    if attempt not in folders:
        known = (
            f"there are: {join([str(one) for one in sorted(folders)])}" if folders else "none is there yet"
        )
        hint = f"see: distribute status {batch.key}/{job}"
        raise NotFound(f"no attempt {attempt} of {batch.key}/{job} is in the archive", known, hint)
    place = spool.layout.archived_batch(batch.namespace, batch.batch) / folders[attempt]
    for stream in [Stream(only)] if only else list(Stream):
        emit_archived(place, stream, _emitter(only))


def _show_builds(spool: Spool, batch: BatchRef, job: str | None) -> None:
    """What the build printed on each node, or on the node that has the job."""
    from distribute_cli.tailing import find_ticket

    found = find_ticket(spool, batch, job) if job else None
    prefix = f"{batch.batch}_build_output-"
    archived = spool.layout.archived_batch(batch.namespace, batch.batch)
    names = sorted(name for name in spool.ops.names(archived) if name.startswith(prefix))
    nodes = [name.removeprefix(prefix).removesuffix(".txt") for name in names]
    wanted = [node for node in nodes if found is None or found[1].node in (None, node)]
    if not wanted:
        raise NotFound(
            f"there is no build output of {batch.key} yet", "", f"see: distribute explain {batch.key}"
        )
    for node in wanted:
        if len(wanted) > 1:
            click.echo(f"==> {node} <==")
        click.echo(
            spool.ops.read(spool.layout.build_output(batch.namespace, batch.batch, node)) or b"", nl=False
        )

"""`distribute wait JOB...`."""

from __future__ import annotations

import click

from distribute_cli.output import say
from distribute_cli.queues import queue_option


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Give up after so long; the jobs go on. [never]",
)
@queue_option
def command(jobs: tuple[str, ...], timeout: float | None, queue: str | None) -> None:
    """Wait until jobs of a cluster's queue have ended; JOB is an id.

    Wait for all of yours with: distribute queue --list | xargs -r distribute wait
    """
    from cluster.known_jobs import wait_for_ids
    from cluster.queue import check_queue
    from cluster.waiting import describe
    from distribute_cli.errors import Incomplete, NotFound
    from distribute_cli.words import count

    ended = wait_for_ids(jobs, check_queue(queue), timeout)
    unknown = [job.id for job in ended if not job.is_known]
    if unknown:
        raise NotFound(
            f"the queue doesn't know {', '.join(unknown)}",
            "no such job was submitted there, or it ended long ago",
            "see: distribute queue --state all",
        )
    failed = [job.id for job in ended if not job.succeeded]
    if failed:
        hint = "see why: distribute queue --state ended"
        raise Incomplete(f"{describe(ended)} of {count(len(ended), 'job')}", ", ".join(failed), hint)
    say(describe(ended))

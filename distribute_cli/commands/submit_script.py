"""`distribute submit-script SCRIPT...`."""

from __future__ import annotations

from pathlib import Path

import click

from distribute_cli.output import say, tell
from distribute_cli.queues import queue_option


@click.command()
@click.argument("scripts", metavar="SCRIPT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--after", multiple=True, metavar="JOB", help="Start when this job has completed; repeatable.")
@click.option("--chain", is_flag=True, help="Each starts when the one before it has completed.")
@queue_option
def command(scripts: tuple[Path, ...], after: tuple[str, ...], chain: bool, queue: str | None) -> None:
    """Submit job scripts to a cluster's queue, and print their ids, a line each.

    A SCRIPT has its own directives, as those that the Python package `cluster` writes. If a job that it waits
    for fails, it is cancelled.
    """
    from cluster.queue import check_queue
    from cluster.submitting import submit_file

    mode = check_queue(queue)
    before = list(after)
    for number, script in enumerate(scripts):
        try:
            job_id = submit_file(script, before, mode)
        except BaseException:
            if number:
                tell(f"submitted before this: {number} of {len(scripts)} scripts, whose ids are printed")
            raise
        say(job_id)
        before = [job_id] if chain else before

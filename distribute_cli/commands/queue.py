"""`distribute queue`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from distribute_cli.output import json_option, print_json, print_table, say, tell
from distribute_cli.queues import queue_option

if TYPE_CHECKING:
    from cluster.records import QueueJob

#: Words for several states, beside those of single ones.
_GROUPS = ("queued", "running", "ended", "all")
_ACTIVE = ("queued", "running")


@dataclass(frozen=True, slots=True)
class QueueListing:
    """What `queue --json` prints."""

    queue: str
    jobs: list[QueueJob]


@click.command()
@click.option("--user", "users", multiple=True, metavar="NAME", help="Whose jobs; as often as wanted. [you]")
@click.option("--everybody", is_flag=True, help="The jobs of all users.")
@click.option("--partition", "partitions", multiple=True, metavar="NAME", help="Only of this partition.")
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="STATE",
    help="Only in this state, or queued, running, ended, all. [queued and running]",
)
@click.option("--list", "as_list", is_flag=True, help="Print ids only, a line each: for xargs.")
@click.option("--count", "as_count", is_flag=True, help="Print how many there are.")
@queue_option
@json_option
def command(
    users: tuple[str, ...],
    everybody: bool,
    partitions: tuple[str, ...],
    states: tuple[str, ...],
    as_list: bool,
    as_count: bool,
    queue: str | None,
    as_json: bool,
) -> None:
    """Show the jobs of a cluster's queue.

    Jobs that ended are shown as long as the batch system tells of them.
    """
    if sum((as_list, as_count, as_json)) > 1:
        raise click.UsageError("--list, --count and --json exclude each other")
    if users and everybody:
        raise click.UsageError("--user and --everybody exclude each other")
    wanted = _read_states(states or _ACTIVE)
    mode, jobs = _read_jobs(queue, everybody, users)
    jobs = [
        job
        for job in jobs
        if _fits(job, wanted)
        and (everybody or not users or job.userid in users)
        and (not partitions or job.partition in partitions)
    ]
    if as_json:
        print_json(QueueListing(mode, jobs))
    elif as_count:
        say(str(len(jobs)))
    elif as_list:
        for job in jobs:
            say(job.job_id)
    else:
        _show(mode, jobs)


def _read_jobs(queue: str | None, everybody: bool, users: tuple[str, ...]) -> tuple[str, list[QueueJob]]:
    """The queue's name, and its jobs: those of one user if that is enough, else everybody's."""
    from cluster.queue import Queue, check_queue

    mode = check_queue(queue)
    user = None if everybody or len(users) > 1 else users[0] if users else "self"
    return mode.value, list(Queue(user, qtype=mode).values())


def _read_states(words: tuple[str, ...]) -> frozenset[str]:
    from cluster.states import JobState

    known = {state.value for state in JobState} | set(_GROUPS)
    for word in words:
        if word not in known:
            raise click.UsageError(f"{word!r} is no state; there are {', '.join(sorted(known))}")
    return frozenset(words)


def _fits(job: QueueJob, wanted: frozenset[str]) -> bool:
    state = job.state
    groups = {"queued": state.is_queued, "running": state.is_running, "ended": state.is_ended, "all": True}
    return state.value in wanted or any(groups[word] for word in wanted & groups.keys())


def _show(mode: str, jobs: list[QueueJob]) -> None:
    if not jobs:
        tell(f"no such job in the queue {mode}")
        return
    columns = ("job", "name", "user", "partition", "state", "nodes", "cores", "exit", "reason")
    rows = [
        (
            job.job_id,
            job.name,
            job.userid,
            job.partition,
            job.state.value,
            ",".join(job.nodes) or _number(job.numnodes),
            _number(job.threads),
            _number(job.exitcode),
            job.reason,
        )
        for job in jobs
    ]
    print_table(columns, rows, right=("cores", "exit"))


def _number(value: int | None) -> str:
    return "" if value is None else str(value)

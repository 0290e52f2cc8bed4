"""The results of many jobs: all of them, or each as soon as it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic, sleep
from typing import Any

from cluster.functions.arrays import Task, list_tasks
from cluster.functions.work import FunctionWork
from cluster.job import Job
from cluster.waiting import line_up, rest_s, too_late, wait_all


def get(jobs: Job | Iterable[Job], timeout: float | None = None, progress: bool | None = None) -> Any:
    """Wait for all these jobs, and return the list of their results; of a single job, its result.

    On a terminal a bar shows how far it is (``progress``: draw it or not). Raises WaitTimeout after
    ``timeout`` seconds; else, when all have ended, what ``Job.get`` raises for the first that went wrong.
    """
    wanted = [jobs] if isinstance(jobs, Job) else list(jobs)
    for job in wanted:
        job.require_submitted()
    wait_all(wanted, timeout, progress)
    results = [job.get() for job in wanted]
    return results[0] if isinstance(jobs, Job) else results


def as_completed(jobs: Job | Iterable[Job], timeout: float | None = None) -> Iterator[Job | Task]:
    """Each job as soon as it has ended, well or not; instead of an array of calls, each of its tasks.

    ``get()`` of what comes returns its result at once. Raises WaitTimeout ``timeout`` seconds after the first
    was asked for.
    """
    given = [jobs] if isinstance(jobs, Job) else list(jobs)
    for job in given:
        job.require_submitted()
    began_s = monotonic()
    still_open: list[Job | Task] = [part for job in given for part in _parts(job)]
    while True:
        for one in line_up(given):
            one.look(None if timeout is None else max(0.0, began_s + timeout - monotonic()))
        ended = [one for one in still_open if one.state.is_ended]
        still_open = [one for one in still_open if not one.state.is_ended]
        yield from ended
        if not still_open:
            return
        waited_s = monotonic() - began_s
        if timeout is not None and waited_s > timeout:
            raise too_late(still_open, timeout)
        sleep(rest_s(min(one.poll_s for one in still_open), waited_s))


def _parts(job: Job) -> list[Job | Task]:
    is_array = isinstance(job.work, FunctionWork) and job.plan.tasks is not None
    return [*list_tasks(job)] if is_array else [job]

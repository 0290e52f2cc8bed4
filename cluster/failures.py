"""How jobs go wrong, as what ``wait`` and ``get`` raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster.errors import ClusterError, CommandTimeout
from cluster.job_files import read_output
from cluster.records import NEVER_SATISFIED
from cluster.states import JobState

if TYPE_CHECKING:
    from cluster.job import Job

_TAIL_LINES = 5
_ENDS = {
    JobState.FAILED: "failed",
    JobState.CANCELLED: "was cancelled",
    JobState.TIMEOUT: "ran out of time",
    JobState.OUT_OF_MEMORY: "ran out of memory",
    JobState.NODE_FAIL: "lost its node",
    JobState.ENDED: "ended, and nobody knows how",
}


class JobFailed(ClusterError):
    """A job ended otherwise than well. ``exitcode`` is None if it has none."""

    def __init__(self, what: str, why: str = "", hint: str = "", exitcode: int | None = None) -> None:
        super().__init__(what, why, hint)
        self.exitcode = exitcode


class DependencyFailed(JobFailed):
    """A job was cancelled because one that it depends on went wrong."""


class WaitTimeout(ClusterError, TimeoutError):
    """Jobs haven't ended in the time that somebody wanted to wait. They go on."""


class NotSubmitted(ClusterError):
    """Something needs a job that is submitted, and it isn't yet."""


class AlreadySubmitted(ClusterError):
    """A job is submitted once; make another one to run it again."""


@contextmanager
def doubt_of(title: str) -> Iterator[None]:
    """A queue that doesn't answer may have taken the job: who submits it again at once may have it twice."""
    try:
        yield
    except CommandTimeout as error:
        raise CommandTimeout(
            f"nobody knows whether {title} was submitted",
            f"{error.what}: {error.why}",
            "see whether it is there before you submit it again: distribute queue",
        ) from error


def describe_failure(job: Job) -> JobFailed:
    """The error for a job that ended otherwise than well, with the last lines of its standard error."""
    if job.reason == NEVER_SATISFIED:
        cause = job.dependencies.find_failed()
        why = (
            f"{cause.title}, on which it depends, {say_end(cause)}"
            if cause
            else "a job failed that it depends on"
        )
        return DependencyFailed(f"{job.title} was cancelled", why, "mend that one, and submit both again")
    job.bring_home()
    task = _find_failed_task(job)
    errors = job.error_files[task or 0]
    title, end = job.title if task is None else f"task {task} of {job.title}", say_end(job)
    reason = "" if end.endswith(job.reason) else job.reason
    why = "\n".join(read_output(errors).splitlines()[-_TAIL_LINES:]) or reason
    return JobFailed(f"{title} {end}", why, f"see {errors}", job.exitcode)


def _find_failed_task(job: Job) -> int | None:
    """The first task of an array that went wrong; None of what is no array."""
    tasks = range(job.plan.tasks or 0)
    return next((task for task in tasks if job.standing_of(task).state is not JobState.COMPLETED), None)


def say_end(job: Job) -> str:
    """``failed with exit code 7``, ``was cancelled``."""
    said = _ENDS.get(job.state, f"is {job.state}")
    return f"{said} with exit code {job.exitcode}" if job.state is JobState.FAILED and job.exitcode else said

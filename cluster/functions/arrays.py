"""Many calls as one job: ``map``, and the tasks of such a job one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.functions.packing import Call
from cluster.functions.runner import call_all
from cluster.functions.work import Calls, FunctionWork
from cluster.job import Job
from cluster.settling import Standing
from cluster.states import JobState
from cluster.waiting import wait_all


def map(function: Callable[..., Any], *inputs: Iterable[Any], chunksize: int = 1, **options: Any) -> Job:
    """Call the function with each of the inputs, as the builtin does, in one job of many tasks.

    It is submitted: ``get()`` returns the list of what the calls returned, and raises what the first of those
    raised that did. ``chunksize`` calls share a process, for functions that take milliseconds. ``options``
    are those of ``Job``, for each task.

    Raises ValueError for a ``chunksize`` below 1, Unpicklable, and as ``Job`` does.
    """
    if chunksize < 1:
        raise ValueError(f"chunksize={chunksize}: a process makes at least one call")
    if not inputs:
        raise TypeError("map() needs inputs: map(function, [1, 2, 3])")
    calls = [Call(function, args) for args in zip(*inputs, strict=False)]
    return Job(_join(calls, chunksize), **options).submit()


def _join(calls: Sequence[Call], chunksize: int) -> Calls:
    if chunksize == 1:
        return Calls(tuple(calls))
    starts = range(0, len(calls), chunksize)
    chunks = [calls[start : start + chunksize] for start in starts]
    joined = [Call(call_all, (chunk[0].function, [call.args for call in chunk])) for chunk in chunks]
    return Calls(tuple(joined), in_chunks=True)


@dataclass(frozen=True, slots=True)
class Task:
    """One task of an array that is a function."""

    job: Job
    index: int

    @property
    def standing(self) -> Standing:
        """How it stood when its job was last looked at."""
        return self.job.standing_of(self.index)

    @property
    def state(self) -> JobState:
        """How it stood when its job was last looked at."""
        return self.standing.state

    @property
    def title(self) -> str:
        """What to call it in messages."""
        return f"task {self.index} of {self.job.title}"

    @property
    def poll_s(self) -> float:
        """How often its queue is asked, in seconds."""
        return self.job.poll_s

    @property
    def awaited(self) -> Sequence[Job]:
        """What it depends on."""
        return self.job.awaited

    def look(self, within_s: float | None) -> None:
        """Look at the queue, for ``within_s`` seconds at most if it doesn't answer."""
        self.job.look(within_s)

    def get(self, timeout: float | None = None) -> Any:
        """Wait for this task, and return what its call returned. Raises as ``Job.get`` does."""
        wait_all([self], timeout, progress=False)
        assert isinstance(self.job.work, FunctionWork)
        return self.job.work.read_task(self.job, self.index)


def list_tasks(job: Job) -> list[Task]:
    """The tasks of an array; of another job none."""
    return [Task(job, index) for index in range(job.plan.tasks or 0)]

"""Blocking until jobs have ended, with one poll for all and a bar on a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Protocol

from cluster.failures import WaitTimeout
from cluster.states import JobState

if TYPE_CHECKING:
    from rich.progress import Progress

_NAMED_MAX = 5
_REST_MAX_S = 0.5


class Awaitable(Protocol):
    """Something that ends: a job, or an id that a queue knows."""

    @property
    def state(self) -> JobState: ...
    @property
    def title(self) -> str: ...
    @property
    def poll_s(self) -> float: ...
    @property
    def awaited(self) -> Sequence[Awaitable]: ...
    def look(self, within_s: float | None) -> object: ...


def wait_all(jobs: Sequence[Awaitable], timeout: float | None = None, progress: bool | None = None) -> None:
    """Return when every job has ended, well or not. Raises WaitTimeout after ``timeout`` seconds.

    ``progress``: draw a bar on standard error; by default, if that is a terminal.
    """
    began_s = monotonic()
    deadline_s = None if timeout is None else began_s + timeout
    everyone = line_up(jobs)
    with _draw(len(jobs), progress) as bar:
        while True:
            for job in everyone:
                job.look(_left(deadline_s))
            still_open = [job for job in jobs if not job.state.is_ended]
            bar(jobs)
            if not still_open:
                return
            left_s = _left(deadline_s)
            if left_s == 0.0:
                raise too_late(still_open, timeout or 0.0)
            pause_s = rest_s(min(job.poll_s for job in still_open), monotonic() - began_s)
            sleep(pause_s if left_s is None else min(pause_s, left_s))


def rest_s(poll_s: float, waited_s: float) -> float:
    """How long to rest between two looks: a queue that answers quickly needn't be asked so for hours."""
    return max(poll_s, min(waited_s / 50, _REST_MAX_S))


def line_up(jobs: Sequence[Awaitable]) -> list[Awaitable]:
    """The jobs and all that they depend on, however far; what is depended on comes first."""
    found: dict[int, Awaitable] = {}
    stack = list(jobs)
    while stack:
        job = stack.pop()
        found.pop(id(job), None)
        found[id(job)] = job
        stack += job.awaited
    return list(reversed(found.values()))


def _left(deadline_s: float | None) -> float | None:
    return None if deadline_s is None else max(0.0, deadline_s - monotonic())


def too_late(jobs: Sequence[Awaitable], timeout: float) -> WaitTimeout:
    named = [f"{job.title} is {job.state}" for job in jobs[:_NAMED_MAX]]
    more = [f"and {len(jobs) - _NAMED_MAX} more"] if len(jobs) > _NAMED_MAX else []
    count = "1 job hasn't" if len(jobs) == 1 else f"{len(jobs)} jobs haven't"
    return WaitTimeout(
        f"{count} ended within {timeout:g} s",
        ", ".join(named + more),
        "they go on: wait again, or cancel them",
    )


def describe(jobs: Iterable[Awaitable]) -> str:
    """``3 completed, 1 failed``: the states of jobs, in the order of a job's life."""
    counts = Counter(job.state for job in jobs)
    return ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in JobState if counts[state])


Bar = Callable[[Sequence[Awaitable]], None]


def _draw(total: int, wanted: bool | None) -> AbstractContextManager[Bar]:
    if wanted is None:
        wanted = total > 0 and sys.stderr is not None and sys.stderr.isatty()
    return _ProgressBar(total) if wanted else nullcontext(lambda jobs: None)


class _ProgressBar:
    """How many jobs have ended, and how the others stand."""

    def __init__(self, total: int) -> None:
        self.total = total

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        text = TextColumn("{task.description}", markup=False)
        columns = (text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress: Progress = Progress(*columns, console=Console(file=sys.stderr), transient=True)
        self.progress.start()
        self.task = self.progress.add_task("waiting", total=self.total)
        return self.show

    def show(self, jobs: Sequence[Awaitable]) -> None:
        ended = sum(job.state.is_ended for job in jobs)
        self.progress.update(self.task, completed=ended, description=describe(jobs))

    def __exit__(self, *error: Any) -> None:
        self.progress.stop()

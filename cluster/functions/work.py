"""A job that is a function, or an array of such calls."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.engines.protocol import JobPlan
from cluster.errors import ClusterError
from cluster.failures import describe_failure
from cluster.functions import runner
from cluster.functions.errors import ResultError
from cluster.functions.packing import Call, Surroundings, current_sys_path, name_function, pack
from cluster.functions.results import read_result
from cluster.modes import Mode
from cluster.naming import FileKind, JobFiles, suggest_name
from cluster.states import JobState

if TYPE_CHECKING:
    from cluster.job import Job

#: The states in which a process may have written a result.
_RAN = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.ENDED})


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of a job.

    ``is_array``: each is a task of an array, be it the only one. ``in_chunks``: each returns a list, and
    these together are the result.
    """

    calls: tuple[Call, ...]
    is_array: bool = True
    in_chunks: bool = False


def make_calls(
    function: Calls | Callable[..., Any],
    args: Sequence[object],
    kwargs: Mapping[str, object],
    array: int | None,
) -> Calls:
    """The calls of a job of this function; with ``array`` so many times the same. Raises TypeError."""
    if isinstance(function, Calls):
        if args or kwargs or array is not None:
            raise TypeError("Calls have their arguments already")
        return function
    if isinstance(args, str | bytes) or not isinstance(args, Iterable):
        raise TypeError(f"args={args!r:.100} isn't a list of arguments; write args=[{args!r:.100}]")
    if not isinstance(kwargs, Mapping):
        raise TypeError(f"kwargs={kwargs!r:.100} is no dict of arguments; write kwargs={{'name': value}}")
    call = Call(function, tuple(args), dict(kwargs))
    return Calls((call,) * (array or 1), array is not None)


@dataclass(frozen=True, slots=True)
class FunctionWork:
    """Calls a function in a process of its own; the result is what it returns, of an array a list."""

    calls: Calls

    @property
    def title(self) -> str:
        """What to call the function in messages."""
        return self._title_of(0)

    @property
    def name(self) -> str:
        return suggest_name(self.title)

    @property
    def tasks(self) -> int | None:
        return len(self.calls.calls) if self.calls.is_array else None

    def choose_folder(self, mode: Mode, name: str, unique: str) -> Path | None:
        """On a cluster the nodes have to see it; else nobody needs to look there."""
        if mode not in (Mode.LOCAL, Mode.DISTRIBUTE):
            return None
        from cluster.spools.places import jobs_folder

        return jobs_folder(name, unique)

    def plan(self, files: JobFiles, working: Path, options: Mapping[str, Any]) -> JobPlan:
        words = [sys.executable, "-u", "-P", runner.__file__, str(files.call), str(files.outputs_base)]
        task = "" if self.tasks is None else ' "$CLUSTER_TASK"'
        command = f"exec {shlex.join(words)}{task}"
        return JobPlan(files, command, working, options, self.tasks, is_function=True)

    def write(self, plan: JobPlan, mode: Mode) -> None:
        packed = pack(self.calls.calls, _surround(plan.options, mode))
        try:
            with open(plan.files.call, "xb", opener=_open_private) as file:
                file.write(packed)
        except OSError as error:
            why = error.strerror or str(error)
            raise ClusterError(f"{plan.files.call} can't be written", why, "see: df -h, ls -ld") from error

    def read_result(self, job: Job) -> Any:
        if self.tasks is None:
            return self.read_task(job, None)
        results = [self.read_task(job, task) for task in self._order(job, self.tasks)]
        return [one for chunk in results for one in chunk] if self.calls.in_chunks else results

    def _order(self, job: Job, tasks: int) -> list[int]:
        """All tasks; of a job that went wrong those first that did, for one of them is raised."""
        if job.succeeded:
            return list(range(tasks))
        return sorted(range(tasks), key=lambda task: job.standing_of(task).state is JobState.COMPLETED)

    def read_task(self, job: Job, task: int | None) -> Any:
        """What a task returned; it has ended. Raises what it raised, or JobFailed."""
        job.bring_home()
        files, state = job.plan.files, job.standing_of(task).state
        path = files.written(FileKind.RESULT, task)
        if state is JobState.COMPLETED:
            job.await_written(path)
        if state in _RAN:
            try:
                return read_result(path, self._title_of(task), files.written(FileKind.FILES, task))
            except FileNotFoundError as error:
                if error.filename != str(path):
                    raise
        if state is JobState.COMPLETED:
            raise ResultError(
                f"the result of {self._title_of(task)} can't be read",
                f"the job has completed, and there is no {path}",
                "was it cleaned? submit it again",
            )
        raise describe_failure(job)

    def _title_of(self, task: int | None) -> str:
        if not self.calls.calls:
            return "function"
        call = self.calls.calls[task or 0]
        # Of what wraps calls, what is called.
        inner = {runner.call_all: 0, runner.call_after: 2}.get(call.function)
        return name_function(call.function if inner is None else call.args[inner])


def _surround(options: Mapping[str, Any], mode: Mode) -> Surroundings:
    imports, folders = options.get("imports") or (), options.get("syspaths") or ()
    if mode is Mode.DISTRIBUTE:
        return Surroundings(tuple(imports), tuple(folders), with_code=True)
    return Surroundings(tuple(imports), current_sys_path(folders))


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

"""What a job is for: a command line or a function. Each knows how it is run, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cluster.commands import join_command
from cluster.engines.protocol import JobPlan
from cluster.failures import describe_failure
from cluster.naming import JobFiles, suggest_name

if TYPE_CHECKING:
    from cluster.job import Job
    from cluster.modes import Mode


class Work(Protocol):
    """What a job is for."""

    @property
    def name(self) -> str:
        """What to call a job that does this."""

    @property
    def tasks(self) -> int | None:
        """How many tasks an array of this has; None: it is none."""

    def choose_folder(self, mode: Mode, name: str, unique: str) -> Path | None:
        """The folder for the job's files, where nobody chose one; None: as for all jobs."""

    def plan(self, files: JobFiles, working: Path, options: Mapping[str, Any]) -> JobPlan:
        """The job that does it in the folder ``working``."""

    def write(self, plan: JobPlan, mode: Mode) -> None:
        """Write what the command reads. Raises ClusterError."""

    def read_result(self, job: Job) -> Any:
        """What came of a job that has ended. Raises what ``Job.get`` raises."""


@dataclass(frozen=True, slots=True)
class ShellWork:
    """A command line; its result is what it prints."""

    command: str
    tasks: int | None = None

    @property
    def name(self) -> str:
        return suggest_name(self.command)

    def choose_folder(self, mode: Mode, name: str, unique: str) -> Path | None:
        return None

    def plan(self, files: JobFiles, working: Path, options: Mapping[str, Any]) -> JobPlan:
        return JobPlan(files, self.command, working, options, self.tasks)

    def write(self, plan: JobPlan, mode: Mode) -> None:
        """A command reads nothing of ours."""

    def read_result(self, job: Job) -> str:
        if not job.succeeded:
            raise describe_failure(job)
        job.bring_home()
        job.await_output()
        return job.stdout


def make_work(command: Any, args: Sequence[object], kwargs: Mapping[str, object], array: int | None) -> Work:
    """``command`` is a shell's command line, a path, a list of words, a function, or several ``Calls``.

    Raises TypeError for anything else, and for keyword arguments to a command.
    """
    if not isinstance(command, str | Path | list | tuple):
        # Imported here: commands need nothing of it.
        from cluster.functions.work import Calls, FunctionWork, make_calls

        if isinstance(command, Calls) or callable(command):
            return FunctionWork(make_calls(command, args, kwargs, array))
    if kwargs:
        raise TypeError("keyword arguments are for functions; a command has words: args=['--depth', '3']")
    return ShellWork(join_command(command, args), array)

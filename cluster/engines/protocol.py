"""What a queue must be able to do for jobs: the one seam behind which batch systems and spools differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from cluster.naming import JobFiles
from cluster.records import QueueJob


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job before it is submitted.

    ``command`` is a shell's command line, ``working`` the folder that it runs in, ``options`` those of
    ``cluster.options`` after ``check_arguments``, ``tasks`` how many an array has (None: it is none).
    ``is_function``: the command calls what is in the call file.
    """

    files: JobFiles
    command: str
    working: Path
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    tasks: int | None = None
    is_function: bool = False


@dataclass(frozen=True, slots=True)
class Poll:
    """What a queue said of the jobs ``asked``, by their ids; jobs of which it knows nothing are missing.

    An unanswered poll says nothing of any job; ``why`` says what went wrong. ``listings`` are folders as they
    were when somebody first looked into them after this poll, so that a thousand jobs need one look.
    """

    answered: bool
    asked: frozenset[str] = frozenset()
    jobs: Mapping[str, QueueJob] = field(default_factory=lambda: MappingProxyType({}))
    why: str = ""
    listings: dict[Path, frozenset[str]] = field(default_factory=dict, compare=False)


class Engine(Protocol):
    """A queue. Its methods raise ClusterError, saying what the batch system said.

    ``poll_s``: how often it may be asked, in seconds; None: as the option ``queue_update`` says.
    """

    poll_s: float | None

    def render(self, plan: JobPlan) -> str:
        """The text of the plan's job file."""

    def submit(self, plan: JobPlan, after: Sequence[str] = ()) -> str:
        """Submit the plan, whose job file is written, to start when the jobs ``after`` have completed.

        Returns its id. If one of those fails, the job is cancelled.
        """

    def submit_file(self, script: Path, after: Sequence[str] = (), extra: Sequence[str] = ()) -> str:
        """Submit a job file that was made elsewhere; ``extra`` are arguments for the queue's own command."""

    def task_id(self, job_id: str, index: int) -> str:
        """The id of a task of the array ``job_id``."""

    def poll(self, job_ids: Collection[str]) -> Poll:
        """What is known of these jobs; never raises for a queue that doesn't answer."""

    def list_jobs(self, user: str | None, partition: str | None) -> list[QueueJob]:
        """All jobs of a user, or everybody's, that the queue still knows."""

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel jobs; one that has ended or isn't known is passed over."""

    def fetch(self, plan: JobPlan, job_id: str, tasks: Sequence[int | None]) -> None:
        """Bring what these tasks, which have ended, wrote into the plan's folders, if it isn't there already.

        None is a job that is no array.
        """

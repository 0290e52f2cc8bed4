"""``Job``: a script or a command that a queue runs, from its job file to its result."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.commands import Command, join_command
from cluster.dependencies import Dependencies
from cluster.engines import Client, client_for
from cluster.engines.protocol import JobPlan
from cluster.errors import ClusterError
from cluster.failures import AlreadySubmitted, NotSubmitted, describe_failure
from cluster.job_files import await_file, make_files, read_output, remove, write_new
from cluster.modes import Mode, current_mode
from cluster.naming import FileKind, check_name, suggest_name
from cluster.options import check_arguments
from cluster.profiles import DEFAULT_NAME, get_profile
from cluster.records import NEVER_SATISFIED, QueueJob
from cluster.scripts import check_path
from cluster.settings import get_option
from cluster.settling import Standing
from cluster.states import JobState
from cluster.tracking import Tracker
from cluster.waiting import wait_all

#: Options that this package acts on itself; a batch system isn't told of them.
_OWN_OPTIONS = ("depends", "scriptpath", "outpath", "runpath", "suffix", "outfile", "errfile")


class Job:
    """A job of a queue.

    ``command`` is a command line for a shell, the path of a program, or a list of words; ``args`` are
    words after it, quoted. ``name`` is by default the program's. ``path`` is the folder for the job file and
    its output, in which the command runs. ``qtype`` is the queue (default: ``current_mode()``), ``profile``
    the name of a profile (default: ``default``). ``array=N`` makes N jobs of one; each finds its number in
    ``CLUSTER_TASK``. All other options are those of ``cluster.options``; they override the profile's.

    Raises OptionsError, TypeError and ValueError for options, BadJobName, UnfitPath, ClusterError.
    """

    def __init__(
        self,
        command: Command,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        name: str | None = None,
        path: str | Path | None = None,
        qtype: str | Mode | None = None,
        profile: str | None = None,
        *,
        array: int | None = None,
        **options: Any,
    ) -> None:
        if kwargs:
            raise TypeError("keyword arguments are for functions; a command has words: args=['--depth', '3']")
        if array is not None and array < 1:
            raise ValueError(f"array={array}: an array has at least one task")
        text = join_command(command, args or ())
        self.name = check_name(name or suggest_name(text))
        self.qtype = current_mode(qtype)
        chosen = {**get_profile(profile or DEFAULT_NAME), **check_arguments(options)}
        self.dependencies = Dependencies(chosen.pop("depends", ()))
        own = {key: chosen.pop(key) for key in _OWN_OPTIONS if key in chosen}
        files = make_files(self.name, secrets.token_hex(4), path, own)
        working = check_path(Path(own.get("runpath") or path or ".").absolute())
        self.plan = JobPlan(files, text, working, chosen, array)
        self.id: str | None = None
        self.written = False
        self._standing = Standing(JobState.NOT_SUBMITTED)
        self._tracker: Tracker | None = None
        self._fetched = False
        #: The one result, once it was read: its files may be gone then.
        self._results: tuple[Any] | None = None

    def __repr__(self) -> str:
        number = f" {self.id}" if self.id else ""
        return f"Job<{self.name}{number} {self.state}>"

    # Making and submitting

    def write(self) -> Job:
        """Write the job file, which is new. Raises ClusterError if it can't be written."""
        write_new(self.plan.files, self._client.engine.render(self.plan))
        self.written = True
        return self

    def submit(self, wait_on_max: int | None = None) -> Job:
        """Submit the job; with ``wait_on_max`` not before fewer jobs of ours than that are in the queue.

        If a job that it depends on is known to have gone wrong, it is cancelled at once instead.
        Raises AlreadySubmitted, NotSubmitted for a dependency, and ClusterError with the queue's own words.
        """
        if self.submitted:
            raise AlreadySubmitted(
                f"{self.title} is submitted already", "", "make another Job to run it again"
            )
        self.dependencies.update()
        if self.dependencies.find_failed() is not None:
            self._standing = Standing(JobState.CANCELLED, None, NEVER_SATISFIED)
            return self
        after = self.dependencies.list_open(self.title)
        if not self.written:
            self.write()
        if wait_on_max is not None:
            from cluster.queue import Queue

            Queue("self", qtype=self.qtype).wait_to_submit(wait_on_max)
        self.id = self._client.engine.submit(self.plan, after)
        self._tracker = Tracker(self._client.polls, self._marks(self.id))
        self._standing = self._tracker.standing
        return self

    def _marks(self, job_id: str) -> dict[str, Path | None]:
        files, tasks = self.plan.files, self.plan.tasks
        if tasks is None:
            return {job_id: files.written(FileKind.EXIT)}
        task_id = self._client.engine.task_id
        return {task_id(job_id, task): files.written(FileKind.EXIT, task) for task in range(tasks)}

    @property
    def awaited(self) -> list[Job]:
        """The jobs that it depends on, without those known by their id only."""
        return self.dependencies.jobs

    # How it stands

    @property
    def state(self) -> JobState:
        """How the job stood when it was last looked at."""
        return self._standing.state

    @property
    def submitted(self) -> bool:
        """Whether it was submitted, or cancelled instead of that."""
        return self.state is not JobState.NOT_SUBMITTED

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.update().state.is_ended

    @property
    def succeeded(self) -> bool:
        """Whether it ended well, as far as is known."""
        return self.state is JobState.COMPLETED

    @property
    def exitcode(self) -> int | None:
        """Its exit code, or None; of an array, that of the first task that failed."""
        return self._standing.exitcode

    @property
    def reason(self) -> str:
        """Why it waits or went wrong, in the queue's words."""
        return self._standing.reason

    @property
    def queue_info(self) -> dict[str, QueueJob]:
        """What the queue last said, by id: of the job, or of each task of the array."""
        return dict(self._tracker.seen) if self._tracker else {}

    @property
    def title(self) -> str:
        """What to call it in messages."""
        return f"job {self.name} ({self.id})" if self.id else f"job {self.name}"

    @property
    def poll_s(self) -> float:
        """How often its queue is asked, in seconds."""
        return self._client.polls.every_s

    @property
    def _client(self) -> Client:
        return client_for(self.qtype)

    def update(self) -> Job:
        """Look at the queue."""
        self.look(None)
        return self

    def look(self, within_s: float | None) -> None:
        """Look at the queue, for ``within_s`` seconds at most if it doesn't answer."""
        if self._tracker is None or self.state.is_ended:
            return
        self._standing = self._tracker.update(within_s)
        doomed = self.reason == NEVER_SATISFIED or self.dependencies.find_failed() is not None
        if self.state.is_queued and doomed:
            self._give_up()

    def _give_up(self) -> None:
        """It can never start, and this queue would let it wait for ever."""
        assert self._tracker is not None
        self.cancel()
        self._standing = Standing(JobState.CANCELLED, None, NEVER_SATISFIED)
        self._tracker.end(self._standing)

    # Ending

    def cancel(self) -> Job:
        """Cancel it. Raises NotSubmitted, and ClusterError with the queue's own words."""
        if self.id is None or self._tracker is None:
            raise NotSubmitted(f"{self.title} can't be cancelled", "it isn't submitted")
        self._client.engine.cancel([self.id])
        self._tracker.cancelled = True
        return self

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it has ended; whether it ended well. A job that isn't submitted is, first.

        Raises WaitTimeout after ``timeout`` seconds, NotSubmitted if the option ``auto_submit`` is off.
        """
        self.require_submitted()
        wait_all([self], timeout)
        return self.succeeded

    def require_submitted(self) -> None:
        """Submit it, if it isn't. Raises NotSubmitted if the option ``auto_submit`` is off."""
        if self.submitted:
            return
        if not get_option("jobs", "auto_submit"):
            raise NotSubmitted(f"{self.title} can't be awaited", "it isn't submitted", "call submit() first")
        self.submit()

    def get(self, timeout: float | None = None) -> Any:
        """Wait, and return what the job is for: of a script, its standard output.

        Removes its files then, where ``clean_files`` or ``clean_outputs`` says so. Raises WaitTimeout;
        JobFailed or DependencyFailed if it didn't end well.
        """
        self.wait(timeout)
        if not self.succeeded:
            raise describe_failure(self)
        if self._results is None:
            self._results = (self._read_result(),)
            clean_files, clean_outputs = self._is_wanted("clean_files"), self._is_wanted("clean_outputs")
            remove(self.plan, scripts=clean_files, outputs=clean_outputs)
        return self._results[0]

    def _is_wanted(self, switch: str) -> bool:
        return bool(self.plan.options.get(switch, get_option("jobs", switch)))

    def _read_result(self) -> Any:
        for task in self._tasks():
            await_file(self.plan.files.written(FileKind.OUT, task), get_option("jobs", "file_block_time"))
        return self.stdout

    # What it wrote

    @property
    def stdout(self) -> str:
        """What it has printed so far; of an array, task by task."""
        return self._read(FileKind.OUT)

    @property
    def stderr(self) -> str:
        """What it has printed to standard error so far; of an array, task by task."""
        return self._read(FileKind.ERR)

    @property
    def error_files(self) -> list[Path]:
        """Where its standard error goes; a file for each task of an array."""
        return [self.plan.files.written(FileKind.ERR, task) for task in self._tasks()]

    def _read(self, kind: FileKind) -> str:
        if self.id is None:
            return ""
        if self.state.is_ended and not self._fetched:
            self._client.engine.fetch(self.plan, self.id)
            self._fetched = True
        return "".join(read_output(self.plan.files.written(kind, task)) for task in self._tasks())

    def _tasks(self) -> Sequence[int | None]:
        return (None,) if self.plan.tasks is None else range(self.plan.tasks)

    def clean(self) -> None:
        """Delete all files that it wrote. Raises ClusterError while it is waiting or running."""
        if self.submitted and not self.update().state.is_ended:
            raise ClusterError(
                f"{self.title} is {self.state}", "its files are in use", "wait for it, or cancel() it"
            )
        remove(self.plan, scripts=True, outputs=True)
        self.written = False

"""``Job``: a script or a command that a queue runs, from its job file to its result."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.commands import Command
from cluster.dependencies import Dependencies
from cluster.engines import Client, client_for
from cluster.errors import ClusterError
from cluster.failures import AlreadySubmitted, NotSubmitted, doubt_of
from cluster.job_files import await_file, make_files, read_output, remove, remove_all, write_new
from cluster.modes import Mode, current_mode
from cluster.naming import FileKind, check_name
from cluster.options import check_arguments
from cluster.profiles import DEFAULT_NAME, get_profile
from cluster.records import NEVER_SATISFIED, QueueJob
from cluster.scripts import check_path
from cluster.settings import get_option
from cluster.settling import Standing
from cluster.states import JobState
from cluster.tracking import Tracker
from cluster.waiting import wait_all
from cluster.work import make_work

if TYPE_CHECKING:
    from cluster.functions.work import Calls

#: Options that this package acts on itself; a batch system isn't told of them.
_OWN_OPTIONS = ("depends", "scriptpath", "outpath", "runpath", "suffix", "outfile", "errfile")


class Job:
    """A job of a queue.

    ``command`` is a command line for a shell, the path of a program, or a list of words; ``args`` are words
    after it, quoted. Or it is a function, with its ``args`` and ``kwargs``. ``name`` is by default the
    program's or the function's. ``path`` is the folder for the job file and its output, in which the command
    runs. ``qtype`` is the queue (default: ``current_mode()``), ``profile`` the name of a profile (default:
    ``default``). ``array=N`` makes N jobs of one; each finds its number in ``CLUSTER_TASK``. All other
    options are those of ``cluster.options``; they override the profile's.

    Raises OptionsError, TypeError and ValueError for options, BadJobName, UnfitPath, ClusterError.
    """

    def __init__(
        self,
        command: Command | Calls | Callable[..., Any],
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
        if array is not None and array < 1:
            raise ValueError(f"array={array}: an array has at least one task")
        self.work = make_work(command, args or (), kwargs or {}, array)
        self.name = check_name(name or self.work.name)
        self.qtype = current_mode(qtype)
        chosen = {**get_profile(profile or DEFAULT_NAME), **check_arguments(options)}
        self.dependencies = Dependencies(chosen.pop("depends", ()))
        own = {key: chosen.pop(key) for key in _OWN_OPTIONS if key in chosen}
        unique = secrets.token_hex(4)
        folder = path or self.work.choose_folder(self.qtype, self.name, unique)
        files = make_files(self.name, unique, folder, own)
        working = check_path(Path(own.get("runpath") or path or ".").absolute())
        self.plan = self.work.plan(files, working, chosen)
        self.id: str | None = None
        self.written = False
        self._standing = Standing(JobState.NOT_SUBMITTED)
        self._tracker: Tracker | None = None
        #: The one result, once it was read: its files may be gone then.
        self._results: tuple[Any] | None = None
        self._fetched: set[int | None] = set()
        self._bound: Client | None = None

    def __repr__(self) -> str:
        number = f" {self.id}" if self.id else ""
        return f"Job<{self.name}{number} {self.state}>"

    # Making and submitting

    def write(self) -> Job:
        """Write the job file, which is new. Raises ClusterError if it can't be written."""
        write_new(self.plan.files, self._client.engine.render(self.plan))
        try:
            self.work.write(self.plan, self.qtype)
        except Exception:
            remove(self.plan, scripts=True, outputs=False)
            raise
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
        if self.plan.tasks == 0:
            self._standing = Standing(JobState.COMPLETED, 0)
            return self
        after = self.dependencies.list_open(self.title)
        if not self.written:
            self.write()
        if wait_on_max is not None:
            from cluster.queue import Queue

            Queue("self", qtype=self.qtype).wait_to_submit(wait_on_max)
        with doubt_of(self.title):
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
        return self._bound or client_for(self.qtype)

    def bind(self, client: Client) -> Job:
        """Have it go to this very queue instead of the one that all jobs of its ``qtype`` go to."""
        self._bound = client
        return self

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
        """Cancel it, unless it has ended. Raises NotSubmitted, and ClusterError as the queue says it."""
        if self.state.is_ended:
            return self
        if self.id is None or self._tracker is None:
            raise NotSubmitted(f"{self.title} can't be cancelled", "it isn't submitted")
        self._client.engine.cancel([self.id])
        self._tracker.cancelled = True
        return self

    def cancel_task(self, task: int) -> None:
        """Cancel one task of an array. Raises NotSubmitted, and ClusterError with the queue's own words."""
        if self.id is None:
            raise NotSubmitted(f"{self.title} can't be cancelled", "it isn't submitted")
        self._client.engine.cancel([self._client.engine.task_id(self.id, task)])

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
        """Wait, and return what a function returned (of an array, a list), or what a script printed.

        Removes its files then, where ``clean_files`` or ``clean_outputs`` says so. Raises what the function
        raised; WaitTimeout; JobFailed or DependencyFailed if the job didn't end well.
        """
        self.wait(timeout)
        if self._results is None:
            self._results = (self.work.read_result(self),)
            clean_files, clean_outputs = self._is_wanted("clean_files"), self._is_wanted("clean_outputs")
            remove(self.plan, scripts=clean_files, outputs=clean_outputs)
        return self._results[0]

    def _is_wanted(self, switch: str) -> bool:
        return bool(self.plan.options.get(switch, get_option("jobs", switch)))

    def await_output(self) -> None:
        """Return once its folder shows what it printed."""
        for task in self._tasks():
            self.await_written(self.plan.files.written(FileKind.OUT, task))

    def await_written(self, path: Path) -> None:
        """Return once its folder shows a file that it wrote, or after the time in ``file_block_time``."""
        await_file(path, get_option("jobs", "file_block_time"))

    def standing_of(self, task: int | None) -> Standing:
        """How a task of an array stood when it was last looked at; None: the whole job."""
        if task is None or self._tracker is None or self.id is None:
            return self._standing
        return self._tracker.parts[self._client.engine.task_id(self.id, task)]

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
        self.bring_home()
        return "".join(read_output(self.plan.files.written(kind, task)) for task in self._tasks())

    def bring_home(self) -> None:
        """Have its queue bring what it, or its tasks that have ended, wrote and what isn't here."""
        if self.id is None:
            return
        ended = [task for task in self._tasks() if self.standing_of(task).state.is_ended]
        missing = [task for task in ended if task not in self._fetched]
        if missing:
            self._client.engine.fetch(self.plan, self.id, missing)
            self._fetched.update(missing)

    def _tasks(self) -> Sequence[int | None]:
        return (None,) if self.plan.tasks is None else range(self.plan.tasks)

    def clean(self) -> None:
        """Delete all files that it wrote. Raises ClusterError while it is waiting or running."""
        if self.submitted and not self.update().state.is_ended:
            raise ClusterError(
                f"{self.title} is {self.state}", "its files are in use", "wait for it, or cancel() it"
            )
        remove_all(self.plan)
        self.written = False

"""The queue as a whole: whose jobs wait, run and have ended, and waiting for some of them.

queue = Queue("self")
len(queue.running), queue["123"].state, [job.name for job in queue.values()]
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from cluster import records
from cluster.engines import client_for
from cluster.errors import ClusterError
from cluster.failures import WaitTimeout
from cluster.job import Job
from cluster.known_jobs import KnownJob
from cluster.modes import Mode, current_mode
from cluster.records import QueueTuple
from cluster.run import which
from cluster.states import JobState
from cluster.waiting import wait_all

Waitable = Job | str | int
_PROGRAMS = {Mode.SLURM: "sbatch", Mode.TORQUE: "qsub"}


class QueueError(ClusterError):
    """A queue that can't be used or read."""


class Queue(Mapping[str, records.QueueJob]):
    """The jobs of a queue by their ids, as they stood when it was made or last updated.

    ``user``: whose (``self``: ours; None: everybody's); ``partition``: of one partition only; ``qtype``: of
    which queue, by default that of ``current_mode()``. An id may be given as a number. Jobs that ended are
    there as long as the batch system tells of them.

    Raises ClusterError if the queue doesn't answer.
    """

    #: The classes of its jobs and of its errors, where users of ``Queue`` look for them.
    QueueJob = records.QueueJob
    QueueError = QueueError

    def __init__(
        self, user: str | None = None, partition: str | None = None, qtype: str | Mode | None = None
    ) -> None:
        self.user = _whoami() if user == "self" else user
        self.partition = partition
        self.qtype = current_mode(qtype)
        self.jobs: dict[str, records.QueueJob] = {}
        self.update()

    def update(self) -> Queue:
        """Read it again. Raises ClusterError; what was known before stays then."""
        jobs = client_for(self.qtype).engine.list_jobs(self.user, self.partition)
        self.jobs = {job.job_id: job for job in jobs}
        return self

    def __getitem__(self, job_id: str | int) -> records.QueueJob:
        return self.jobs[str(job_id)]

    def __contains__(self, job_id: object) -> bool:
        return str(job_id) in self.jobs

    def __iter__(self) -> Iterator[str]:
        return iter(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)

    def __repr__(self) -> str:
        counts = f"{len(self.queued)} queued, {len(self.running)} running, {len(self.ended)} ended"
        return f"Queue<{self.qtype}: {counts}>"

    def _select(self, fits: Callable[[JobState], bool]) -> dict[str, records.QueueJob]:
        return {job_id: job for job_id, job in self.jobs.items() if fits(job.state)}

    @property
    def queued(self) -> dict[str, records.QueueJob]:
        """Those that wait or are held."""
        return self._select(lambda state: state.is_queued)

    @property
    def running(self) -> dict[str, records.QueueJob]:
        """Those that have begun, also suspended ones."""
        return self._select(lambda state: state.is_running)

    @property
    def completed(self) -> dict[str, records.QueueJob]:
        """Those that ended well."""
        return self._select(lambda state: state is JobState.COMPLETED)

    @property
    def failed(self) -> dict[str, records.QueueJob]:
        """Those that ended otherwise."""
        return self._select(lambda state: state.is_ended and state is not JobState.COMPLETED)

    @property
    def ended(self) -> dict[str, records.QueueJob]:
        """Those that ended, well or not."""
        return self._select(lambda state: state.is_ended)

    @property
    def users(self) -> set[str]:
        """Whose jobs there are."""
        return {job.userid for job in self.jobs.values()}

    @property
    def partitions(self) -> set[str]:
        """In which partitions there are jobs."""
        return {job.partition for job in self.jobs.values()}

    def wait(self, jobs: Waitable | Iterable[Waitable], timeout: float | None = None) -> bool:
        """As ``cluster.wait``, and updates itself afterwards."""
        ended_well = wait(jobs, timeout, qtype=self.qtype)
        self.update()
        return ended_well

    def can_submit(self, max_jobs: int) -> bool:
        """Whether fewer than ``max_jobs`` jobs of this queue are waiting or running now."""
        self.update()
        return len(self.queued) + len(self.running) < max_jobs

    def wait_to_submit(self, max_jobs: int, timeout: float | None = None) -> None:
        """Block until ``can_submit(max_jobs)``. Raises WaitTimeout after ``timeout`` seconds."""
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while not self.can_submit(max_jobs):
            if deadline_s is not None and time.monotonic() > deadline_s:
                active = len(self.queued) + len(self.running)
                raise WaitTimeout(
                    f"the queue has {active} jobs after {timeout:g} s", f"fewer than {max_jobs} were wanted"
                )
            time.sleep(client_for(self.qtype).polls.every_s)


def _whoami() -> str:
    """The name of the user that we are, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def wait(
    jobs: Waitable | Iterable[Waitable],
    timeout: float | None = None,
    qtype: str | Mode | None = None,
    progress: bool | None = None,
) -> bool:
    """Block until all these jobs have ended; whether all ended well.

    Each is a Job or an id, which is looked for in the queue ``qtype``. On a terminal a bar shows how far it
    is (``progress``: draw it or not). Raises WaitTimeout after ``timeout`` seconds, and QueueError for an id
    that the queue doesn't know.
    """
    given: list[Waitable] = [jobs] if isinstance(jobs, Job | str | int) else list(jobs)
    awaited: list[Job | KnownJob] = [
        one if isinstance(one, Job) else KnownJob(str(one), current_mode(qtype)) for one in given
    ]
    for one in awaited:
        if isinstance(one, Job):
            one.require_submitted()
    wait_all(awaited, timeout, progress)
    unknown = [one.id for one in awaited if isinstance(one, KnownJob) and not one.is_known]
    if unknown:
        jobs_named = f"job{'s' * (len(unknown) > 1)} {', '.join(unknown)}"
        raise QueueError(
            f"the queue {current_mode(qtype)} doesn't know the {jobs_named}",
            "no such job was submitted there, or it ended long ago",
            "see: distribute queue",
        )
    return all(one.succeeded for one in awaited)


def check_queue(qtype: str | Mode | None = None) -> Mode:
    """The queue of that name, or the current one, if it can be used here.

    Raises QueueError if its programs aren't here, and ClusterError if there is no such queue.
    """
    mode = current_mode(qtype)
    program = _PROGRAMS.get(mode)
    if program is not None and which(program) is None:
        raise QueueError(
            f"the queue {mode} can't be used here",
            f"there is no {program} in PATH",
            "type this where the cluster is submitted to, or choose another: export CLUSTER_QUEUE=local",
        )
    return mode


def queue_parser(
    qtype: str | Mode | None = None,
    user: str | None = None,
    partition: str | None = None,
    job_id: str | int | None = None,
) -> Iterator[QueueTuple]:
    """For each job: job_id, name, userid, partition, state, nodes, numnodes, threads, exitcode.

    ``user`` (``self``: ours), ``partition`` and ``job_id`` select. Raises ClusterError.
    """
    wanted = None if job_id is None else str(job_id)
    for job in Queue(user, partition, qtype).values():
        if wanted in (None, job.job_id):
            yield job.as_tuple()


def slurm_queue_parser(
    user: str | None = None, partition: str | None = None, job_id: str | int | None = None
) -> Iterator[QueueTuple]:
    """``queue_parser`` for Slurm: by ``squeue`` and, if it has a database, ``sacct``."""
    return queue_parser(Mode.SLURM, user, partition, job_id)


def torque_queue_parser(
    user: str | None = None, partition: str | None = None, job_id: str | int | None = None
) -> Iterator[QueueTuple]:
    """``queue_parser`` for Torque and OpenPBS: by ``qstat``; states are told in Slurm's words."""
    return queue_parser(Mode.TORQUE, user, partition, job_id)

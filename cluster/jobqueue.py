"""This machine's own queue as an object: jobs that use several cores each, and wait for others.

>>> queue = JobQueue(cores=4)                                               # doctest: +SKIP
>>> first = queue.add(make_mesh, [64])                                      # doctest: +SKIP
>>> second = queue.add(solve, [64], dependencies=first, cores=4)            # doctest: +SKIP
>>> queue.get(second)                                                       # doctest: +SKIP

It is a view of a private spool, whose node sees to cores, dependencies, and small jobs that fill gaps.
``JQUEUE`` is the one that ``qtype="local"`` means; its cores are the option ``threads``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cluster.commands import Command
from cluster.engines import client_for, local_client
from cluster.job import Job
from cluster.modes import Mode
from cluster.settings import get_option
from cluster.states import JobState
from cluster.waiting import wait_all


class JobQueue:
    """Jobs of this program on this machine, which together use at most ``cores`` cores.

    Without ``cores`` it is the queue of all programs of this user, which the option ``threads`` limits; with
    them, one of its own beside that.
    """

    def __init__(self, cores: int | None = None) -> None:
        if cores is not None and cores < 1:
            raise ValueError(f"cores={cores}: jobs need at least one")
        self._cores = cores
        self.jobs: dict[str, Job] = {}

    @property
    def cores(self) -> int:
        """How many cores its jobs may use together."""
        return self._cores or get_option("jobqueue", "threads") or len(os.sched_getaffinity(0))

    def add(
        self,
        function: Command | Callable[..., Any],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        dependencies: Job | str | Iterable[Job | str] | None = None,
        cores: int = 1,
        **options: Any,
    ) -> Job:
        """Submit a function or a command for ``cores`` cores, to start when the ``dependencies`` are done.

        Raises as ``Job`` and ``Job.submit`` do; ClusterError if it wants more cores than the queue has.
        """
        job = Job(
            function, args, kwargs, qtype=Mode.LOCAL, cores=cores, depends=dependencies or None, **options
        )
        job.bind(client_for(Mode.LOCAL) if self._cores is None else local_client(self._cores))
        job.submit()
        self.jobs[job.id or job.plan.files.script.name] = job
        return job

    def get(self, job: Job | str, timeout: float | None = None) -> Any:
        """Wait for a job, and return its result. Raises KeyError for one that isn't here; as ``Job.get``."""
        return (self.jobs[job] if isinstance(job, str) else job).get(timeout)

    def wait(self, jobs: Job | Iterable[Job] | None = None, timeout: float | None = None) -> bool:
        """Block until these, or all, have ended; whether all ended well. Raises WaitTimeout."""
        awaited = [jobs] if isinstance(jobs, Job) else list(self.jobs.values() if jobs is None else jobs)
        wait_all(awaited, timeout)
        return all(job.succeeded for job in awaited)

    def update(self) -> JobQueue:
        """Look at all jobs."""
        for job in self.jobs.values():
            job.update()
        return self

    def clear(self) -> None:
        """Forget jobs that have ended, and delete their files."""
        for key, job in list(self.update().jobs.items()):
            if job.state.is_ended:
                job.clean()
                del self.jobs[key]

    @property
    def done(self) -> bool:
        """Whether all jobs have ended."""
        return all(job.state.is_ended for job in self.update().jobs.values())

    @property
    def queued(self) -> dict[str, Job]:
        """Those that waited when they were last looked at."""
        return self._select(lambda state: state.is_queued)

    @property
    def running(self) -> dict[str, Job]:
        """Those that ran then."""
        return self._select(lambda state: state.is_running)

    @property
    def completed(self) -> dict[str, Job]:
        """Those that had ended well."""
        return self._select(lambda state: state is JobState.COMPLETED)

    @property
    def failed(self) -> dict[str, Job]:
        """Those that had ended otherwise."""
        return self._select(lambda state: state.is_ended and state is not JobState.COMPLETED)

    def _select(self, fits: Callable[[JobState], bool]) -> dict[str, Job]:
        return {key: job for key, job in self.jobs.items() if fits(job.state)}

    def __getitem__(self, key: str) -> Job:
        return self.jobs[key]

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs.values())

    def __len__(self) -> int:
        return len(self.jobs)

    def __repr__(self) -> str:
        counts = f"{len(self.queued)} queued, {len(self.running)} running"
        ended = f"{len(self.completed)} completed, {len(self.failed)} failed"
        return f"JobQueue<{self.cores} cores: {counts}, {ended}>"


#: The queue that ``qtype="local"`` means.
JQUEUE = JobQueue()

"""What a job waits for: other jobs, or ids of jobs that another program submitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cluster.failures import NotSubmitted

if TYPE_CHECKING:
    from cluster.job import Job


class Dependencies:
    """The jobs, and the ids of others. Raises TypeError for what is neither."""

    def __init__(self, given: Iterable[object]) -> None:
        from cluster.job import Job

        self.jobs: list[Job] = []
        self.ids: list[str] = []
        for one in given:
            if isinstance(one, Job):
                self.jobs.append(one)
            elif isinstance(one, str | int):
                self.ids.append(str(one))
            else:
                kind = type(one).__name__
                raise TypeError(f"depends={one!r}: a dependency is a Job or a job's id, not {kind}")

    def update(self) -> None:
        """Look at the queue."""
        for job in self.jobs:
            job.update()

    def find_failed(self) -> Job | None:
        """One that ended otherwise than well, as far as is known: the queue isn't looked at."""
        return next((job for job in self.jobs if job.state.is_ended and not job.succeeded), None)

    def list_open(self, dependent: str) -> list[str]:
        """The ids of those that may not have ended: a queue may have forgotten the others.

        Raises NotSubmitted, naming the ``dependent``.
        """
        for job in self.jobs:
            if job.id is None and not job.succeeded:
                why = "that isn't submitted"
                raise NotSubmitted(f"{dependent} depends on {job.title}", why, "submit it first")
        return self.ids + [job.id for job in self.jobs if job.id and not job.state.is_ended]

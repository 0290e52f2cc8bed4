"""A job of which only the id is known, because another program submitted it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from cluster.engines import client_for
from cluster.modes import Mode
from cluster.settling import Standing
from cluster.states import JobState
from cluster.tracking import UNKNOWN_ID_S, Tracker
from cluster.waiting import wait_all


class KnownJob:
    """It can be awaited and cancelled; what it wrote isn't known. An array is awaited by its tasks' ids."""

    awaited: Sequence[KnownJob] = ()

    def __init__(self, job_id: str, mode: Mode) -> None:
        self.id = job_id
        self._client = client_for(mode)

    @cached_property
    def _tracker(self) -> Tracker:
        return Tracker(self._client.polls, {self.id: None}, UNKNOWN_ID_S)

    @property
    def standing(self) -> Standing:
        """How the job stood when it was last looked at."""
        return self._tracker.standing

    @property
    def state(self) -> JobState:
        """How the job stood when it was last looked at."""
        return self.standing.state

    @property
    def succeeded(self) -> bool:
        """Whether it ended well, as far as is known."""
        return self.state is JobState.COMPLETED

    @property
    def is_known(self) -> bool:
        """Whether its queue ever said anything of it."""
        return bool(self._tracker.seen)

    @property
    def title(self) -> str:
        """What to call it in messages."""
        return f"job {self.id}"

    @property
    def poll_s(self) -> float:
        """How often its queue is asked, in seconds."""
        return self._client.polls.every_s

    def look(self, within_s: float | None) -> None:
        """Look at the queue, for ``within_s`` seconds at most if it doesn't answer."""
        self._tracker.update(within_s)


def wait_for_ids(
    job_ids: Sequence[str], mode: Mode, timeout: float | None = None, progress: bool | None = None
) -> list[KnownJob]:
    """The jobs of these ids, once all have ended. Raises WaitTimeout after ``timeout`` seconds."""
    jobs = [KnownJob(job_id, mode) for job_id in job_ids]
    wait_all(jobs, timeout, progress)
    return jobs

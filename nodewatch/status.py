"""What a node tells of its jobs: since when, and whether that is news. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spoold.records import NodeStatus, RunningJob

#: Resource figures are told only so often.
_REFRESH_S = 10.0


def keep_times(jobs: Iterable[RunningJob], told: Iterable[RunningJob]) -> tuple[RunningJob, ...]:
    """``jobs`` with the times that were ``told`` of them before; the later one counts."""
    known = {_attempt(job): job for job in told}
    return tuple(_keep_times(job, known.get(_attempt(job), job)) for job in jobs)


def _keep_times(job: RunningJob, before: RunningJob) -> RunningJob:
    same = before.phase == job.phase and before.phase_since is not None
    return replace(job, since=before.since, phase_since=before.phase_since if same else job.phase_since)


def differs(new: NodeStatus, old: NodeStatus) -> bool:
    """Whether there is anything to tell but the time."""
    if new.written_at - old.written_at >= _REFRESH_S and new.jobs:
        return True
    return _news(new) != _news(old)


def _news(status: NodeStatus) -> tuple[object, ...]:
    jobs = tuple((*_attempt(job), job.phase) for job in status.jobs)
    pause = status.paused_until, status.paused_by
    return jobs, pause, status.draining, status.holding, status.troubles, status.quarantines


def _attempt(job: RunningJob) -> tuple[str, str, str, int]:
    return job.namespace, job.batch, job.job, job.attempt

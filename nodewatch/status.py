"""What a node tells of its jobs: since when, who paused them, and whether that is news. Pure, but for the
names of users."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from nodewatch.doors import PauseView
from spoold.access import Identity
from spoold.node_records import JobPause, NodeStatus, RunningJob

#: Resource figures are told only so often.
_REFRESH_S = 10.0


def keep_times(jobs: Iterable[RunningJob], told: Iterable[RunningJob]) -> tuple[RunningJob, ...]:
    """``jobs`` with the times that were ``told`` of them before; the later one counts."""
    known = {_attempt(job): job for job in told}
    return tuple(_keep_times(job, known.get(_attempt(job), job)) for job in jobs)


def _keep_times(job: RunningJob, before: RunningJob) -> RunningJob:
    same = before.phase == job.phase and before.phase_since is not None
    return replace(
        job,
        since=before.since,
        phase_since=before.phase_since if same else job.phase_since,
        started_at=job.started_at or before.started_at,
    )


def say_who(pause: PauseView) -> str:
    """``spool (touched by anna; 5h is too long …)``: the door first, then what is known of it."""
    touched = f"touched by {Identity(pause.uid, frozenset()).name}" if pause.uid is not None else ""
    remarks = "; ".join(filter(None, (touched, pause.note)))
    return f"{pause.by} ({remarks})" if remarks else pause.by


def tell_pause(pause: PauseView) -> JobPause:
    return JobPause(round(pause.until), say_who(pause), pause.targets)


def differs(new: NodeStatus, old: NodeStatus) -> bool:
    """Whether there is anything to tell but the time."""
    if new.written_at - old.written_at >= _REFRESH_S and new.jobs:
        return True
    return _news(new) != _news(old)


def _news(status: NodeStatus) -> tuple[object, ...]:
    jobs = tuple((*_attempt(job), job.phase, job.paused_until, job.paused_by) for job in status.jobs)
    pause = status.paused_until, status.paused_by, status.pauses
    return jobs, pause, status.draining, status.holding, status.troubles, status.quarantines


def _attempt(job: RunningJob) -> tuple[str, str, str, int]:
    return job.namespace, job.batch, job.job, job.attempt

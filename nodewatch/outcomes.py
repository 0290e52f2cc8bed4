"""From an exit record to what is said and done about an attempt. Pure."""

from __future__ import annotations

import platform
import signal
from dataclasses import dataclass
from enum import Enum
from functools import cache

from nodewatch.process import ExitRecord
from nodewatch.queue import Claimed
from spoold.losses import Loss, LossCause, judge_losses
from spoold.records import JobRecord, Outcome
from spoold.tickets import Ticket

CANCELLED = "cancelled"
#: What the runner is told when the job is no longer this node's.
FENCED = "the job was given to another node"
#: What it is told when somebody wants this node's jobs to be done elsewhere.
REQUEUED = "its node was told to give its jobs back"
_KILL_PREFIX = f"{CANCELLED}: "


class Next(Enum):
    """What becomes of the job."""

    PUBLISH = "publish"
    RETRY = "retry"
    GIVE_BACK = "give back"


@dataclass(frozen=True, slots=True)
class Setback:
    """Why an attempt ended through no fault of its job; without a ``cause`` it isn't counted."""

    reason: str
    cause: LossCause | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. ``final``: whatever the job's ``retries``, it isn't tried again."""

    outcome: Outcome
    reason: str
    lost: Setback | None = None
    final: bool = False


def nothing_ran(reason: str, now: float) -> ExitRecord:
    """An attempt whose job was never started, or whose end nobody saw; ``now`` is Unix seconds."""
    return ExitRecord(None, None, now, now, 0.0, 0.0, 0.0, 0, 0, None, reason)


def kill_text(reason: str) -> str:
    """What the runner is told when the job is cancelled; ``judge`` reads it back from the record."""
    return f"{_KILL_PREFIX}{reason}" if reason else CANCELLED


def judge(ended: ExitRecord, lost: Setback | None) -> Ending:
    """``lost`` is None if the attempt ended by itself, or was stopped on request."""
    if ended.kill_reason is not None and ended.kill_reason.startswith(CANCELLED):
        return Ending(Outcome.CANCELLED, ended.kill_reason)
    if ended.exit_code == 0 and ended.kill_reason is None:
        return Ending(Outcome.DONE, "")
    if lost is None and ended.kill_reason in (FENCED, REQUEUED):
        lost = Setback(ended.kill_reason)
    if lost:
        return Ending(Outcome.FAILED, lost.reason, lost)
    return Ending(Outcome.FAILED, describe(ended))


def describe(ended: ExitRecord) -> str:
    """Why it isn't done, in words."""
    if ended.kill_reason is not None:
        return ended.kill_reason
    if ended.start_error is not None:
        return f"it could not be started: {ended.start_error}"
    if ended.signal is not None:
        return f"killed by signal {ended.signal} ({signal_name(ended.signal)})"
    return f"exit code {ended.exit_code}"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def count_losses(ending: Ending, ticket: Ticket, losses: list[Loss]) -> Ending:
    """The ending of a lost attempt in the light of the earlier ones: they may have been one too many."""
    if ending.lost is None or ending.lost.cause is None:
        return ending
    too_many = judge_losses([*losses, Loss(ticket, ending.lost.cause)], ticket.job)
    return Ending(Outcome.FAILED, f"{too_many}; now: {ending.reason}", final=True) if too_many else ending


def decide(ending: Ending, errors: int, retries: int) -> Next:
    """``errors`` is how many earlier attempts ended with an error."""
    if ending.lost:
        return Next.GIVE_BACK
    if ending.outcome is not Outcome.FAILED or ending.final:
        return Next.PUBLISH
    return Next.RETRY if errors < retries else Next.PUBLISH


def make_record(claimed: Claimed, ended: ExitRecord, ending: Ending) -> JobRecord:
    """The archived record, but for its list of files."""
    return JobRecord(
        namespace=claimed.ref.namespace,
        batch=claimed.ref.batch,
        job=claimed.ticket.job,
        attempt=claimed.ticket.attempt,
        node=claimed.ticket.node or "",
        outcome=ending.outcome,
        reason=ending.reason,
        started_at=ended.started_at,
        ended_at=ended.ended_at,
        wall_s=ended.wall_s,
        exit_code=ended.exit_code,
        signal=ended.signal,
        user_cpu_s=ended.user_cpu_s,
        system_cpu_s=ended.system_cpu_s,
        peak_memory_bytes=ended.peak_memory_bytes,
        cores=len(claimed.grant.cores),
        core_ids=claimed.grant.cores,
        gpu_ids=claimed.grant.gpus,
        submitter=claimed.header.submitter,
        versions=_versions(),
    )


@cache
def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {
        "distribute": version("distribute-lab"),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }

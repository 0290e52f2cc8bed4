"""From an exit record to what is said and done about an attempt. Pure."""

from __future__ import annotations

import platform
import signal
from dataclasses import dataclass
from enum import Enum
from functools import cache

from distribute_compute_config.quantities import format_memory
from nodewatch.evicting import EVICTED
from nodewatch.process import ExitRecord
from nodewatch.queue import Claimed
from nodewatch.timekeeping import TIME_LIMIT
from spoold.losses import Loss, LossCause, judge_losses
from spoold.records import EndedBy, JobRecord, JobSpec, Outcome
from spoold.tickets import Ticket

CANCELLED = "cancelled"
#: What the runner is told when the job is no longer this node's.
FENCED = "the job was given to another node"
#: What it is told when somebody wants this node's jobs to be done elsewhere.
REQUEUED = "its node was told to give its jobs back"
_KILL_PREFIX = f"{CANCELLED}: "
OUT_OF_MEMORY = "out of memory"
_GIB = 1 << 30
_SIGNALS_FROM = 128
_UNKNOWN_SIGNAL = "unknown"


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
    """How an attempt ended. ``final``: whatever the job's ``retries``, it isn't tried again.

    ``saved``: what it saved is staged, for the next attempt to go on from.
    """

    outcome: Outcome
    reason: str
    by: EndedBy
    lost: Setback | None = None
    final: bool = False
    saved: bool = False


def nothing_ran(reason: str, now: float) -> ExitRecord:
    """An attempt whose job was never started, or whose end nobody saw; ``now`` is Unix seconds."""
    return ExitRecord(None, None, now, now, 0.0, 0.0, 0.0, 0, 0, None, reason)


def kill_text(reason: str) -> str:
    """What the runner is told when the job is cancelled; ``judge`` reads it back from the record."""
    return f"{_KILL_PREFIX}{reason}" if reason else CANCELLED


def judge(ended: ExitRecord, lost: Setback | None) -> Ending:
    """``lost`` is None if the attempt ended by itself, or was stopped on request."""
    if ended.kill_reason is not None and ended.kill_reason.startswith(CANCELLED):
        return Ending(Outcome.CANCELLED, ended.kill_reason, EndedBy.KILLED)
    by = _ended_by(ended)
    if ended.exit_code == 0 and by is EndedBy.EXIT:
        return Ending(Outcome.DONE, "", by)
    if lost is None and ended.kill_reason in (FENCED, REQUEUED):
        lost = Setback(ended.kill_reason)
    if lost:
        return Ending(Outcome.FAILED, lost.reason, EndedBy.LOST, lost)
    return Ending(Outcome.FAILED, describe(ended), by)


def _ended_by(ended: ExitRecord) -> EndedBy:
    if ended.kill_reason is not None:
        return EndedBy.TIME_LIMIT if ended.kill_reason.startswith(TIME_LIMIT) else EndedBy.KILLED
    if ended.start_error is not None:
        return EndedBy.NOT_STARTED
    struck = ended.signal is not None or ended.exit_code == _SIGNALS_FROM + signal.SIGKILL
    if ended.over_memory or (ended.oom_kills and struck):
        # A job that comes to a good end all the same has lost a process that it could do without.
        return EndedBy.EXIT if ended.exit_code == 0 else EndedBy.OUT_OF_MEMORY
    return EndedBy.EXIT if ended.signal is None else EndedBy.SIGNAL


def set_back(ended: ExitRecord, evicted: str) -> Setback | None:
    """What an attempt suffered that was ``evicted`` (which is why; empty: it wasn't).

    None if it was done before it was told to end, or if it was ended for another reason.
    """
    if ended.kill_reason is not None:
        return Setback(ended.kill_reason) if ended.kill_reason.startswith(EVICTED) else None
    return Setback(evicted) if evicted and ended.exit_code != 0 else None


def may_resume(ending: Ending, job: JobSpec) -> bool:
    """Whether the next attempt shall go on from what this one saved, if that is anything."""
    return job.resume and ending.lost is not None and ending.lost.reason.startswith(EVICTED)


def describe(ended: ExitRecord) -> str:
    """Why it isn't done, in words."""
    if ended.kill_reason is not None:
        return ended.kill_reason
    if ended.start_error is not None:
        return f"it could not be started: {ended.start_error}"
    if _ended_by(ended) is EndedBy.OUT_OF_MEMORY:
        return _explain_memory(ended)
    if ended.signal is not None:
        return f"killed by signal {ended.signal} ({signal_name(ended.signal)})"
    return f"exit code {ended.exit_code}{_name_told_signal(ended.exit_code)}"


def _name_told_signal(exit_code: int | None) -> str:
    """A shell and a container tell by their exit code that a signal ended what they ran."""
    number = (exit_code or 0) - _SIGNALS_FROM
    known = signal_name(number)
    return f", as after signal {number} ({known})" if known != _UNKNOWN_SIGNAL else ""


def _explain_memory(ended: ExitRecord) -> str:
    used, limit_bytes = _say_gib(ended.peak_memory_bytes), ended.memory_limit_bytes
    if not ended.over_memory or limit_bytes is None:
        needs = f"say what it needs with resources: {{memory: {_round_up(ended.peak_memory_bytes)}}}"
        return f"{OUT_OF_MEMORY}: its node had none left when it used {used}; {needs}"
    more = f"ask for more with resources: {{memory: {_round_up(2 * limit_bytes)}}}"
    return f"{OUT_OF_MEMORY}: used {used} of {_say_gib(limit_bytes)}; {more}"


def _say_gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.3g} GiB" if size_bytes >= _GIB else f"{size_bytes / 2**20:.3g} MiB"


def _round_up(size_bytes: int) -> str:
    """As people write it in a job file; at least 1M."""
    unit = _GIB if size_bytes >= 4 * _GIB else 1 << 20
    return format_memory(max(-(-size_bytes // unit), 1) * unit)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return _UNKNOWN_SIGNAL


def count_losses(ending: Ending, ticket: Ticket, losses: list[Loss]) -> Ending:
    """The ending of a lost attempt in the light of the earlier ones: they may have been one too many."""
    if ending.lost is None or ending.lost.cause is None:
        return ending
    too_many = judge_losses([*losses, Loss(ticket, ending.lost.cause)], ticket.job)
    if not too_many:
        return ending
    return Ending(Outcome.FAILED, f"{too_many}; now: {ending.reason}", ending.by, final=True)


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
        ending=ending.by,
        read_bytes=ended.read_bytes,
        written_bytes=ended.written_bytes,
    )


@cache
def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {
        "distribute": version("distribute-lab"),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }

"""A batch's jobs as a table; one job as lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from distribute_cli.output import Line, Part, Table
from distribute_cli.reports.awaiting import describe_standing
from distribute_cli.reports.batch import AttemptReport, BatchReport, JobLine, JobReport
from distribute_cli.reports.nodes import say_paused
from distribute_cli.words import join, say_duration, say_size, say_time
from spoold.awaiting import Standing
from spoold.records import EndedBy

_JOBS = ("JOB", "STATE", "ATTEMPT", "NODE", "STARTED", "TOOK", "EXIT", "REASON")
_ATTEMPTS = (
    "ATTEMPT",
    "NODE",
    "OUTCOME",
    "STARTED",
    "TOOK",
    "CPU",
    "MEMORY",
    "EXIT",
    "FILES",
    "SIZE",
    "REASON",
)
#: What says more than the signal that was used for it.
_TOLD = (EndedBy.OUT_OF_MEMORY, EndedBy.TIME_LIMIT, EndedBy.KILLED, EndedBy.NOT_STARTED)


def draw_batch(report: BatchReport, now: float) -> Iterator[Part]:
    """The batch in a few lines, then a row a job."""
    age = say_duration(now - report.submitted_at)
    yield Line(
        f"{report.namespace}/{report.batch}: {report.kind} batch of {report.submitter}, submitted {age} ago"
    )
    counts = [(getattr(report.counts, one.name), one.name) for one in fields(report.counts)]
    told = ", ".join(f"{number} {name}" for number, name in counts if number)
    yield Line(f"{told}{'; finished' if report.finished else ''}")
    if report.kill_requested and not report.finished:
        yield Line("it is being cancelled, whole or in part", "yellow")
    if report.builds_failed:
        yield Line(f"the build failed on {join(report.builds_failed, at_most=99)}", "red")
    waiting = [one for one in report.after if one.standing is not Standing.DONE]
    if waiting and not report.finished:
        told = join([describe_standing(one.batch, one.standing) for one in waiting], at_most=99)
        yield Line(f"it comes after {told}")
    for warning in report.warnings:
        yield Line(warning, "red")
    yield Line("")
    yield Table(_JOBS, [_job_row(job, now) for job in report.jobs], ("ATTEMPT", "TOOK", "EXIT"))


def _job_row(job: JobLine, now: float) -> tuple[str, ...]:
    state = job.state.value if job.state else "moving"
    shown = f"{state} ({job.phase})" if job.phase else state
    started = say_time(job.started_at, now) if job.started_at is not None else ""
    ended = job.ended_at if job.ended_at is not None else now
    took = say_duration(ended - job.started_at) if job.started_at is not None else ""
    ending = _ending(job.ending, job.exit_code, job.signal)
    reason = job.reason or _pause(job, now)
    return (job.job, shown, str(job.attempt), job.node or "", started, took, ending, reason)


def _pause(job: JobLine, now: float) -> str:
    return "" if job.paused_until is None else say_paused(job.paused_until, job.paused_by, now)


def _ending(ending: EndedBy | None, exit_code: int | None, signal: int | None) -> str:
    if ending in _TOLD:
        return ending.value.replace("-", " ")
    if signal is not None:
        return f"signal {signal}"
    return "" if exit_code is None else str(exit_code)


def draw_job(report: JobReport, now: float) -> Iterator[Part]:
    """All that is known of a job, a line a fact, then a row an archived attempt."""
    width = max(len(name) for name, _ in _facts(report, now))
    for name, value in _facts(report, now):
        if value:
            yield Line(f"{name:<{width}}  {value}")
    if report.attempts:
        yield Line("")
        rows = [_attempt_row(attempt, now) for attempt in report.attempts]
        yield Table(_ATTEMPTS, rows, ("ATTEMPT", "TOOK", "CPU", "MEMORY", "EXIT", "FILES", "SIZE"))
    for attempt in report.attempts:
        for text in attempt.skipped:
            yield Line(f"not archived from attempt {attempt.attempt}: {text}", "yellow")


def _facts(report: JobReport, now: float) -> list[tuple[str, str]]:
    job = report.now
    phase = f", {job.phase}" if job.phase else ""
    here = f", since {say_time(job.started_at, now)}" if job.phase and job.started_at else ""
    memory = f", {say_size(report.memory_bytes)}" if report.memory_bytes else ""
    return [
        ("job", f"{report.namespace}/{report.batch}/{job.job} ({report.kind}, {report.submitter})"),
        ("state", f"{job.state.value if job.state else 'moving'}, attempt {job.attempt}{phase}"),
        ("node", f"{job.node or ''}{here}"),
        ("uses", f"{report.cpu_s:.1f} s of CPU{memory}" if report.cpu_s is not None else ""),
        ("reason", job.reason or _pause(job, now)),
        ("command", report.command),
        ("inputs", ", ".join(report.inputs)),
        ("depends on", ", ".join(report.depends)),
        ("needs", _needs(report)),
        ("priority", str(report.priority) if report.priority else ""),
        ("retries", str(report.retries) if report.retries else ""),
    ]


def _needs(report: JobReport) -> str:
    asked = report.resources
    parts = [
        f"{asked.cores} cores" if asked.cores is not None else "",
        say_size(asked.memory_bytes) if asked.memory_bytes is not None else "",
        f"{asked.gpus} GPUs" if asked.gpus is not None else "",
        f"at most {say_duration(asked.time_s)}" if asked.time_s is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "a whole node"


def _attempt_row(attempt: AttemptReport, now: float) -> tuple[str, ...]:
    return (
        str(attempt.attempt),
        attempt.node,
        attempt.outcome,
        say_time(attempt.started_at, now),
        say_duration(attempt.wall_s),
        f"{attempt.user_cpu_s + attempt.system_cpu_s:.1f} s",
        say_size(attempt.peak_memory_bytes),
        _ending(attempt.ending, attempt.exit_code, attempt.signal),
        str(attempt.files),
        say_size(attempt.size_bytes),
        attempt.reason,
    )

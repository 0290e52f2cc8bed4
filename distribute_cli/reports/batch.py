"""What `distribute status` says of one batch, and of one job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distribute_cli.reports.awaiting import AwaitedLine
from distribute_cli.reports.endings import tell_ending
from distribute_cli.reports.overview import Counts, count_latest
from distribute_cli.reports.seen import BatchSeen, find_running
from spoold.records import EndedBy, JobRecord, Resources
from spoold.tickets import State


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job now. ``phase`` is what its node says it does, and until when it is paused (Unix seconds), and by
    whom; ``state`` is None if no ticket was seen.

    ``started_at``, ``ended_at``, ``exit_code``, ``signal`` and ``ending`` come from the archive and are None
    where its record wasn't read. ``reason`` also tells why a job rests, or ended without having run.
    """

    job: str
    state: State | None
    attempt: int
    node: str | None
    phase: str | None
    started_at: float | None
    ended_at: float | None
    exit_code: int | None
    signal: int | None
    reason: str
    ending: EndedBy | None = None
    paused_until: float | None = None
    paused_by: str = ""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch and each of its jobs, in the order of the job file."""

    namespace: str
    batch: str
    kind: str
    submitter: str
    submitted_at: float
    source: str
    capabilities: tuple[str, ...]
    finished: bool
    kill_requested: bool
    builds_ok: tuple[str, ...]
    builds_failed: tuple[str, ...]
    counts: Counts
    jobs: tuple[JobLine, ...]
    after: tuple[AwaitedLine, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """An archived attempt; ``folder`` is its place in the batch's archive."""

    folder: str
    attempt: int
    node: str
    outcome: str
    reason: str
    exit_code: int | None
    signal: int | None
    started_at: float
    ended_at: float
    wall_s: float
    user_cpu_s: float
    system_cpu_s: float
    peak_memory_bytes: int
    cores: int
    core_ids: tuple[int, ...]
    gpu_ids: tuple[int, ...]
    files: int
    size_bytes: int
    skipped: tuple[str, ...]
    ending: EndedBy | None
    read_bytes: int | None
    written_bytes: int | None


@dataclass(frozen=True, slots=True)
class JobReport:
    """All that is known of one job; ``cpu_s`` and ``memory_bytes`` while it runs."""

    namespace: str
    batch: str
    kind: str
    submitter: str
    now: JobLine
    command: str
    inputs: tuple[str, ...]
    depends: tuple[str, ...]
    resources: Resources
    priority: int
    retries: int
    cpu_s: float | None
    memory_bytes: int | None
    attempts: tuple[AttemptReport, ...]


def report_batch(seen: BatchSeen) -> BatchReport:
    """The report of a whole batch."""
    header = seen.header
    return BatchReport(
        header.namespace,
        header.batch,
        header.kind,
        header.submitter,
        header.submitted_at,
        header.source,
        header.needs,
        seen.finished,
        any(seen.kills.hits(job) for job, (state, _) in seen.latest.items() if not state.terminal),
        tuple(sorted(seen.builds.ok)),
        tuple(sorted(seen.builds.failed)),
        count_latest(seen.latest),
        tuple(describe_job(seen, spec.name) for spec in seen.jobs.jobs),
        seen.before,
        tuple(one.text for one in seen.find_oversized()),
    )


def report_job(seen: BatchSeen, job: str, attempts: Sequence[tuple[str, JobRecord]]) -> JobReport:
    """``attempts`` are the archived ones, each with its folder's name. Raises KeyError without such a job."""
    spec = seen.spec(job)
    line = describe_job(seen, job)
    running = find_running(seen, line.node, job)
    return JobReport(
        seen.header.namespace,
        seen.header.batch,
        seen.header.kind,
        seen.header.submitter,
        line,
        spec.command if spec.command is not None else "",
        tuple(one.name for one in (*seen.header.initial_files, *spec.inputs)),
        spec.depends,
        spec.resources,
        spec.priority,
        spec.retries,
        running.cpu_s if running else None,
        running.memory_bytes if running else None,
        tuple(sorted((_attempt(*one) for one in attempts), key=lambda attempt: attempt.attempt)),
    )


def describe_job(seen: BatchSeen, job: str) -> JobLine:
    """The job as it stands now."""
    if job not in seen.latest:
        # Advisory reading: it was given back between two listings.
        return JobLine(job, None, 0, None, None, None, None, None, None, "")
    state, ticket = seen.latest[job]
    running = find_running(seen, ticket.node, job)
    record = seen.records.get(job)
    if record is None or record.attempt != ticket.attempt or not state.terminal:
        phase, since = (running.phase, running.started_at or running.since) if running else (None, None)
        why = tell_ending(seen, job) if state.terminal else seen.describe_rest(job)
        pause = (running.paused_until, running.paused_by) if running else (None, "")
        return JobLine(
            job, state, ticket.attempt, ticket.node, phase, since, None, None, None, why, None, *pause
        )
    return JobLine(
        job,
        state,
        ticket.attempt,
        ticket.node,
        None,
        record.started_at,
        record.ended_at,
        record.exit_code,
        record.signal,
        record.reason,
        record.ending,
    )


def _attempt(folder: str, record: JobRecord) -> AttemptReport:
    return AttemptReport(
        folder,
        record.attempt,
        record.node,
        record.outcome.value,
        record.reason,
        record.exit_code,
        record.signal,
        record.started_at,
        record.ended_at,
        record.wall_s,
        record.user_cpu_s,
        record.system_cpu_s,
        record.peak_memory_bytes,
        record.cores,
        record.core_ids,
        record.gpu_ids,
        len(record.files),
        sum(file.size_bytes for file in record.files),
        record.skipped,
        record.ending,
        record.read_bytes,
        record.written_bytes,
    )

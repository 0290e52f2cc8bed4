"""What `distribute run` says at the end. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distribute_cli.reports.endings import tell_ending
from distribute_cli.reports.overview import Counts, count_latest
from distribute_cli.reports.seen import BatchSeen
from distribute_cli.words import say_duration
from spoold.records import BuildRecord, EndedBy, JobRecord, Outcome
from spoold.tickets import State

_BUILD_LINES = 10


@dataclass(frozen=True, slots=True)
class RunJob:
    """A job of a run. ``folder`` holds its result, None if it never ran."""

    job: str
    state: State | None
    reason: str
    attempt: int
    exit_code: int | None
    signal: int | None
    ending: EndedBy | None
    wall_s: float | None
    folder: Path | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run that has ended: its results are in ``results``.

    ``build_output`` is what its build printed, None if nothing was built.
    """

    namespace: str
    batch: str
    results: Path
    counts: Counts
    jobs: tuple[RunJob, ...]
    build_output: Path | None


def report_run(
    seen: BatchSeen, records: Mapping[str, JobRecord], results: Path, build_output: Path | None
) -> RunReport:
    """``records`` are those of the jobs whose results lie in ``results``."""
    jobs = [_report_job(seen, spec.name, records.get(spec.name), results) for spec in seen.jobs.jobs]
    header = seen.header
    return RunReport(
        header.namespace, header.batch, results, count_latest(seen.latest), tuple(jobs), build_output
    )


def _report_job(seen: BatchSeen, job: str, record: JobRecord | None, results: Path) -> RunJob:
    state, ticket = seen.latest.get(job, (None, None))
    attempt = ticket.attempt if ticket else 0
    if record is None:
        reason = tell_ending(seen, job) if state and state.terminal else ""
        return RunJob(job, state, reason, attempt, None, None, None, None, None)
    return RunJob(
        job, state, record.reason, record.attempt, record.exit_code, record.signal, record.ending,
        record.wall_s, results / job,
    )  # fmt: skip


def say_build(build: BuildRecord, output: str) -> list[str]:
    """How the build went; of one that failed also the last lines that it printed."""
    if build.ok:
        return [f"built in {_say_time(build.wall_s)}"]
    # The reason has some of these lines, but in one.
    last = [f"  {line}" for line in output.splitlines()[-_BUILD_LINES:]]
    return [f"the build failed after {_say_time(build.wall_s)}: {build.reason.partition(';')[0]}", *last]


def say_end(job: str, state: State, record: JobRecord | None) -> str:
    """``re100: done in 12 s``, ``re100: failed after 3 s: exit code 1``.

    RACE: ``state`` was seen before the result was there; the record is what counts.
    """
    if record is None:
        return f"{job}: {state.value} without having run"
    took = _say_time(record.wall_s)
    again = f" (attempt {record.attempt})" if record.attempt > 1 else ""
    if record.outcome is Outcome.DONE:
        return f"{job}: done in {took}{again}"
    # Of a cancelled job it begins with that word, for tables that don't have it beside it.
    reason = record.reason.removeprefix(f"{record.outcome.value}: ")
    return f"{job}: {record.outcome.value} after {took}{again}{': ' if reason else ''}{reason}"


def find_bad(report: RunReport) -> Sequence[RunJob]:
    """The jobs that failed, and if none has, those that were cancelled."""
    for state in (State.FAILED, State.CANCELLED):
        if found := [job for job in report.jobs if job.state is state]:
            return found
    return []


def _say_time(wall_s: float) -> str:
    return say_duration(wall_s) if wall_s >= 10 else f"{wall_s:.1f} s"

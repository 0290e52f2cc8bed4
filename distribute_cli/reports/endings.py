"""Why a job ended as it did, be it that it never ran. Pure."""

from __future__ import annotations

from distribute_cli.reports.seen import BatchSeen
from distribute_cli.words import join
from spoold.awaiting import Standing
from spoold.losses import judge_losses
from spoold.records import JobRecord
from spoold.tickets import State


def find_record(seen: BatchSeen, job: str) -> JobRecord | None:
    """The record of the job's newest attempt, if there is one and it was read."""
    record = seen.records.get(job)
    return record if record is not None and record.attempt == seen.latest[job][1].attempt else None


def tell_ending(seen: BatchSeen, job: str) -> str:
    """Why a job of ``seen.latest`` that has ended did so; empty where nothing tells."""
    record = find_record(seen, job)
    if record is not None:
        return record.reason
    state, _ = seen.latest[job]
    if state is State.FAILED:
        return judge_losses(seen.traces.losses, job) or _tell_builds(seen)
    return _tell_cancellation(seen, job) if state is State.CANCELLED else ""


def _tell_builds(seen: BatchSeen) -> str:
    builds = join([f"{build.node} ({build.reason})" for build in seen.traces.failed_builds])
    return f"no node could build the batch: {builds}" if builds else ""


def _tell_cancellation(seen: BatchSeen, job: str) -> str:
    """Of a job that never ran there is no record: its dependencies and the marks tell."""
    needs = [(need, seen.latest[need][0]) for need in seen.spec(job).depends if need in seen.latest]
    failed = [need for need, state in needs if state is State.FAILED]
    if failed:
        return f"it depends on {join([f'{need} (failed)' for need in failed])}"
    before = [one.batch for one in seen.before if one.standing is Standing.FAILED]
    # The one for this very job comes last, and is what was meant.
    marks = [mark for mark in seen.traces.marks if mark.honoured and mark.job in (None, job)]
    if marks:
        return f"{marks[-1].owner} cancelled it{': ' if marks[-1].reason else ''}{marks[-1].reason}"
    if before:
        return f"it comes after {join(before)}, which ended with jobs that aren't done"
    cancelled = [need for need, state in needs if state is State.CANCELLED]
    return f"it depends on {join([f'{need} (cancelled)' for need in cancelled])}" if cancelled else ""

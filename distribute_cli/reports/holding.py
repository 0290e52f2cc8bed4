"""Why a job is held: the jobs and batches that it waits for, a rest after an error, its size. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from distribute_cli.reports.awaiting import describe_standing, find_circle
from distribute_cli.reports.explanation import Cause, Evidence, Reason
from distribute_cli.reports.nodes import Life, judge_life
from distribute_cli.words import join
from spoold.awaiting import Standing
from spoold.tickets import State

BAD_ENDS = (State.FAILED, State.CANCELLED)


def explain_held(evidence: Evidence, held: Sequence[str]) -> Iterator[Reason]:
    specs = {spec.name: spec for spec in evidence.seen.jobs.jobs}
    groups: dict[tuple[str, ...], list[str]] = {}
    for job in held:
        needs = tuple(need for need in specs[job].depends if state_of(evidence, need) is not State.DONE)
        groups.setdefault(needs, []).append(job)
    waits = any(one.standing is not Standing.DONE for one in evidence.seen.before)
    free = [job for job in groups.pop((), []) if not waits and not evidence.seen.describe_rest(job)]
    for needs, jobs in [*groups.items(), *([((), free)] if free else [])]:
        yield _explain_needs(evidence, needs, jobs)
    yield from _explain_before(evidence, held)
    yield from _explain_rests(evidence, held)
    if held and judge_life(evidence.steward_age_s, evidence.lease_s) is not Life.LIVE:
        text = (
            "no steward is alive, so nothing is released; start spoold on the file server, or any nodewatch"
        )
        yield Reason(Cause.NO_STEWARD, text, tuple(held))


def _explain_needs(evidence: Evidence, needs: tuple[str, ...], jobs: Sequence[str]) -> Reason:
    who = f"{join(jobs)} {'waits' if len(jobs) == 1 else 'wait'}"
    if not needs:
        text = f"{who} for the steward to see that all dependencies are done"
        return Reason(Cause.DEPENDENCY, text, tuple(jobs))
    bad = [need for need in needs if state_of(evidence, need) in BAD_ENDS]
    told = join([f"{need} ({say_state(evidence, need)})" for need in bad or needs])
    if bad:
        text = f"{who} for {told}, which didn't end well, and will be cancelled"
        return Reason(Cause.DEPENDENCY_FAILED, text, tuple(jobs))
    return Reason(Cause.DEPENDENCY, f"{who} for {told}", tuple(jobs))


def state_of(evidence: Evidence, job: str) -> State | None:
    found = evidence.seen.latest.get(job)
    return found[0] if found else None


def say_state(evidence: Evidence, job: str) -> str:
    found = evidence.seen.latest.get(job)
    if found is None:
        return "moving"
    state, ticket = found
    named = {State.CLAIMED: "running", State.PUBLISHING: "being archived"}.get(state, state.value)
    return f"{named} on {ticket.node}" if ticket.node and not state.terminal else named


def explain_sizes(evidence: Evidence, jobs: Sequence[str]) -> Iterator[Reason]:
    """Which of the jobs that wait fit no live node."""
    for one in evidence.seen.find_oversized():
        hit = tuple(job for job in one.jobs if job in jobs)
        if hit:
            yield Reason(Cause.TOO_LARGE, one.text, hit)


def _explain_before(evidence: Evidence, held: Sequence[str]) -> Iterator[Reason]:
    """The batches that this one comes after."""
    seen = evidence.seen
    waiting = [one for one in seen.before if one.standing is not Standing.DONE]
    failed = [one for one in waiting if one.standing is Standing.FAILED]
    if not held or not waiting:
        return
    who = f"{join(held)} {'waits' if len(held) == 1 else 'wait'}"
    told = join([describe_standing(one.batch, one.standing) for one in failed or waiting], at_most=99)
    if failed:
        yield Reason(Cause.AFTER_FAILED, f"{who} for {told}, and will be cancelled", tuple(held))
        return
    circle = find_circle(seen.header.key, seen.header.after, seen.awaited)
    if circle:
        told = f"batches that wait for each other: {' → '.join(circle)}; cancel one with: distribute kill"
    yield Reason(Cause.AFTER, f"{who} for {told}", tuple(held))


def _explain_rests(evidence: Evidence, held: Sequence[str]) -> Iterator[Reason]:
    for job in held:
        rest = evidence.seen.describe_rest(job)
        if rest:
            yield Reason(Cause.RESTING, f"{job} {rest}", (job,))

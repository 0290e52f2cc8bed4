"""Why a batch or a job is waiting: from evidence to reasons. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from distribute_cli.reports.batch import find_running
from distribute_cli.reports.explanation import Cause, Evidence, Explanation, Reason
from distribute_cli.reports.holding import BAD_ENDS, explain_held, explain_sizes, say_state, state_of
from distribute_cli.reports.matching import explain_nodes
from distribute_cli.reports.nodes import Life, say_pause
from distribute_cli.words import count, join, say_duration
from spoold.awaiting import Standing
from spoold.losses import LossCause, judge_losses
from spoold.tickets import State

_ENDED = {State.DONE: "ended well", State.FAILED: "failed", State.CANCELLED: "was cancelled"}
_DOES = {
    "preparing": "has been prepared",
    "building": "has waited for its build",
    "running": "has run",
    "paused": "has been paused",
    "evicting": "has been evicted",
    "uploading": "has been uploading",
}
_HOW_LOST = {LossCause.LOST: "was lost with", LossCause.RETURNED: "was given back by"}


def explain(evidence: Evidence, job: str | None = None) -> Explanation:
    """The reasons for ``job``, or for all jobs of the batch that haven't ended."""
    header = evidence.seen.header
    jobs = [spec.name for spec in evidence.seen.jobs.jobs if job in (None, spec.name)]
    reasons = (
        *_explain_marks(evidence, jobs),
        *_explain_losses(evidence, jobs),
        *explain_held(evidence, _in_state(evidence, jobs, State.HELD)),
        *explain_sizes(evidence, jobs),
        *explain_nodes(evidence, _without_oversized(evidence, _in_state(evidence, jobs, State.PENDING))),
        *_explain_running(evidence, _in_state(evidence, jobs, State.CLAIMED)),
        *_explain_publishing(_in_state(evidence, jobs, State.PUBLISHING)),
        *_explain_ended(evidence, jobs, job),
        *_explain_unseen(evidence, jobs),
    )
    return Explanation(header.namespace, header.batch, job, evidence.at, reasons)


def _in_state(evidence: Evidence, jobs: Sequence[str], state: State) -> list[str]:
    latest = evidence.seen.latest
    return [job for job in jobs if job in latest and latest[job][0] is state]


def _without_oversized(evidence: Evidence, pending: Sequence[str]) -> list[str]:
    """Those that some node could run: of the others it doesn't matter what the nodes do."""
    oversized = {job for one in evidence.seen.find_oversized() for job in one.jobs}
    return [job for job in pending if job not in oversized]


def _explain_marks(evidence: Evidence, jobs: Sequence[str]) -> Iterator[Reason]:
    unended = {
        job for job in jobs if job in evidence.seen.latest and not evidence.seen.latest[job][0].terminal
    }
    for mark in evidence.marks:
        hit = tuple(job for job in jobs if job in unended and mark.job in (None, job))
        if not hit:
            continue
        whom = "the batch" if mark.job is None else mark.job
        why = f": {mark.reason}" if mark.reason else ""
        if mark.honoured:
            text = (
                f"{mark.owner} asked to cancel {whom}{why}; it ends once the nodes and the steward see that"
            )
            yield Reason(Cause.KILLED, text, hit)
        else:
            who = f"only {evidence.seen.header.submitter}, the service user and root can"
            yield Reason(Cause.KILL_IGNORED, f"{mark.owner} tried to cancel {whom}, in vain: {who}", hit)


def _explain_losses(evidence: Evidence, jobs: Sequence[str]) -> Iterator[Reason]:
    """What became of earlier attempts of jobs that haven't ended."""
    for job in jobs:
        placed = evidence.seen.latest.get(job)
        lost = [loss for loss in evidence.losses if loss.ticket.job == job]
        if not lost or placed is None or placed[0].terminal:
            continue
        how = [f"attempt {loss.ticket.attempt} {_HOW_LOST[loss.cause]} {loss.ticket.node}" for loss in lost]
        told = join(how)
        yield Reason(Cause.LOST, f"{job} is tried again: {told}", (job,))


def _explain_running(evidence: Evidence, jobs: Sequence[str]) -> Iterator[Reason]:
    nodes = {node.name: node for node in evidence.nodes}
    by_node: dict[str, list[str]] = {}
    for job in jobs:
        by_node.setdefault(evidence.seen.latest[job][1].node or "", []).append(job)
    for name, held in by_node.items():
        node = nodes.get(name)
        if node is not None and node.life is Life.LIVE:
            doing = join([_say_running(evidence, name, job) for job in held])
            pause = say_pause(node, evidence.at)
            which = f", which is {pause}" if pause else ""
            text = f"{doing} on {name}{which}"
            yield Reason(Cause.RUNNING, text, tuple(held), name)
            continue
        since = (
            f"has been silent for {say_duration(node.silent_s)}" if node and node.silent_s else "has stopped"
        )
        text = (
            f"{name} has {join(held)}, and {since}; others may take over once they have seen it "
            f"silent for {say_duration(evidence.lease_s)}"
        )
        yield Reason(Cause.NODE_SILENT, text, tuple(held), name)


def _say_running(evidence: Evidence, node: str, job: str) -> str:
    running = find_running(evidence.seen, node, job)
    if running is None:
        return f"{job} is being prepared"
    if running.phase_since is None:
        return f"{job} is {running.phase}"
    lasts = say_duration(evidence.at - running.phase_since)
    return f"{job} {_DOES.get(running.phase, running.phase)} for {lasts}"


def _explain_publishing(jobs: Sequence[str]) -> Iterator[Reason]:
    if jobs:
        text = f"{count(len(jobs), 'result is', 'results are')} being archived: {join(jobs)}"
        yield Reason(Cause.PUBLISHING, text, tuple(jobs))


def _explain_ended(evidence: Evidence, jobs: Sequence[str], asked: str | None) -> Iterator[Reason]:
    latest = evidence.seen.latest
    ended = [job for job in jobs if job in latest and latest[job][0].terminal]
    if asked is not None and ended:
        yield Reason(Cause.ENDED, _say_end(evidence, asked), (asked,))
    elif ended and len(ended) == len(jobs):
        counts = [(sum(latest[job][0] is state for job in ended), state.value) for state in State]
        told = join([f"{number} {name}" for number, name in counts if number])
        yield Reason(Cause.ENDED, f"no job waits: {told}", tuple(ended))


def _say_end(evidence: Evidence, job: str) -> str:
    state, ticket = evidence.seen.latest[job]
    record = evidence.seen.records.get(job)
    where = f" on {ticket.node}" if ticket.node else ""
    if record is not None and record.attempt == ticket.attempt:
        ago = say_duration(evidence.at - record.ended_at)
        why = f": {record.reason}" if record.reason else ""
        return f"{job} doesn't wait: it {_ENDED[state]}{where} {ago} ago{why}"
    lost = judge_losses(evidence.losses, job) if state is State.FAILED else ""
    if lost:
        return f"{job} doesn't wait: it failed, for {lost}"
    if state is State.FAILED and evidence.failed_builds:
        builds = join([f"{build.node} ({build.reason})" for build in evidence.failed_builds])
        return f"{job} doesn't wait: no node could build the batch: {builds}"
    because = _say_why_cancelled(evidence, job) if state is State.CANCELLED else ""
    return f"{job} doesn't wait: it {_ENDED[state]}{where}{because}"


def _say_why_cancelled(evidence: Evidence, job: str) -> str:
    """Of a job that never ran there is no record: its dependencies and the marks tell."""
    bad = [need for need in evidence.seen.spec(job).depends if state_of(evidence, need) in BAD_ENDS]
    if bad:
        told = join([f"{need} ({say_state(evidence, need)})" for need in bad])
        return f", because it depends on {told}"
    failed = [one.batch for one in evidence.seen.before if one.standing is Standing.FAILED]
    marks = [mark for mark in evidence.marks if mark.honoured and mark.job in (None, job)]
    if failed and not marks:
        return f", because it comes after {join(failed)}, which ended with jobs that aren't done"
    why = f": {marks[0].reason}" if marks and marks[0].reason else ""
    return f", as {marks[0].owner} had asked{why}" if marks else ""


def _explain_unseen(evidence: Evidence, jobs: Sequence[str]) -> Iterator[Reason]:
    unseen = tuple(job for job in jobs if job not in evidence.seen.latest)
    if unseen:
        text = f"{join(unseen)} moved while this was read; ask again"
        yield Reason(Cause.MOVING, text, unseen)

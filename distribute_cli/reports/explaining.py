"""Why a batch or a job is waiting: from evidence to reasons. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from distribute_cli.reports.endings import find_record, tell_ending
from distribute_cli.reports.explanation import Cause, Evidence, Explanation, Reason
from distribute_cli.reports.holding import BAD_ENDS, explain_held, explain_sizes
from distribute_cli.reports.matching import explain_nodes
from distribute_cli.reports.nodes import Life, say_pause
from distribute_cli.reports.seen import find_running
from distribute_cli.words import count, join, say_duration
from spoold.losses import LossCause
from spoold.tickets import State

_ENDED = {State.DONE: "ended well", State.FAILED: "failed", State.CANCELLED: "was cancelled"}
_DOES = {
    "preparing": "has been prepared",
    "building": "has waited for its build",
    "paused": "has been paused",
    "evicting": "has been evicted",
    "uploading": "has been uploading",
}
_HOW_LOST = {LossCause.LOST: "was lost with", LossCause.RETURNED: "was given back by"}
#: More sentences about jobs that ended badly would hide the others.
_GROUPS_MAX = 10


def explain(evidence: Evidence, job: str | None = None) -> Explanation:
    """The reasons for ``job``, or for all jobs of the batch that haven't ended well."""
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
    for mark in evidence.seen.traces.marks:
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
        lost = [loss for loss in evidence.seen.traces.losses if loss.ticket.job == job]
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
        if node is not None and node.leaving:
            yield Reason(Cause.NODE_SILENT, _say_leaving(evidence, name, held), tuple(held), name)
            continue
        since = (
            f"has been silent for {say_duration(node.silent_s)}" if node and node.silent_s else "has stopped"
        )
        text = (
            f"{name} has {join(held)}, and {since}; others may take over once they have seen it "
            f"silent for {say_duration(evidence.lease_s)}"
        )
        yield Reason(Cause.NODE_SILENT, text, tuple(held), name)


def _say_leaving(evidence: Evidence, node: str, held: Sequence[str]) -> str:
    go = "goes" if len(held) == 1 else "go"
    return (
        f"the daemon of {node} has stopped, and {join(held)} {go} on there; its next daemon takes that over, "
        f"or others take over once they have seen it silent for {say_duration(evidence.lease_s)}"
    )


def _say_running(evidence: Evidence, node: str, job: str) -> str:
    running = find_running(evidence.seen, node, job)
    if running is None:
        return f"{job} is being prepared"
    if running.phase == "running" and running.started_at is not None:
        return f"{job} was started {say_duration(evidence.at - running.started_at)} ago"
    if running.phase == "running" or running.phase_since is None:
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
    if asked is not None:
        if ended:
            yield Reason(Cause.ENDED, _say_end(evidence, asked), (asked,))
        return
    if ended and len(ended) == len(jobs):
        counts = [(sum(latest[job][0] is state for job in ended), state.value) for state in State]
        told = join([f"{number} {name}" for number, name in counts if number])
        yield Reason(Cause.ENDED, f"no job waits: {told}", tuple(ended))
    yield from _explain_bad_ends(evidence, [job for job in ended if latest[job][0] in BAD_ENDS])


def _say_end(evidence: Evidence, job: str) -> str:
    state, ticket = evidence.seen.latest[job]
    record = find_record(evidence.seen, job)
    where = f" on {ticket.node}" if ticket.node else ""
    ago = f" {say_duration(evidence.at - record.ended_at)} ago" if record else ""
    why = tell_ending(evidence.seen, job)
    return f"{job} doesn't wait: it {_ENDED[state]}{where}{ago}{f': {why}' if why else ''}"


def _explain_bad_ends(evidence: Evidence, jobs: Sequence[str]) -> Iterator[Reason]:
    """A sentence for all jobs that ended alike."""
    groups: dict[tuple[State, str, str], list[str]] = {}
    for job in jobs:
        state, ticket = evidence.seen.latest[job]
        groups.setdefault((state, ticket.node or "", tell_ending(evidence.seen, job)), []).append(job)
    for (state, node, why), alike in islice(groups.items(), _GROUPS_MAX):
        text = f"{join(alike)} {_say_bad_end(state, len(alike))}{f' on {node}' if node else ''}"
        yield Reason(Cause.ENDED, f"{text}: {why}" if why else text, tuple(alike), node)
    rest = [job for alike in islice(groups.values(), _GROUPS_MAX, None) for job in alike]
    if rest:
        key = evidence.seen.header.key
        text = f"{count(len(rest), 'more job')} ended badly; see them with: distribute status {key}"
        yield Reason(Cause.ENDED, text, tuple(rest))


def _say_bad_end(state: State, jobs: int) -> str:
    if state is State.FAILED:
        return "failed"
    return "was cancelled" if jobs == 1 else "were cancelled"


def _explain_unseen(evidence: Evidence, jobs: Sequence[str]) -> Iterator[Reason]:
    unseen = tuple(job for job in jobs if job not in evidence.seen.latest)
    if unseen:
        text = f"{join(unseen)} moved while this was read; ask again"
        yield Reason(Cause.MOVING, text, unseen)

"""The rules that must hold after any troubles, checked against evidence. Pure.

Exactly one result a job, from the attempt whose ticket ended; nothing lost, nothing run without cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from spoold.losses import LossCause
from spoold.records import Outcome
from spoold.tickets import TERMINAL, State, Ticket
from tests.chaotic.evidence import Archived, EndedBatch, Evidence
from tests.chaotic.excuses import Excuses
from tests.chaotic.history import Kind
from tests.chaotic.work import EXIT_CODE, PlannedJob, Run

#: A job that was lost with so many nodes, or given back so often, may end as failed.
_MOST_NODES, _MOST_LOSSES = 3, 10


def check(evidence: Evidence, lease_s: float) -> list[str]:
    """Every violation, in words; an empty list is what is wanted."""
    sights = _sights(evidence)
    found = [f"{path} is left over" for path in evidence.strangers]
    found += [f"a program crashed:\n{text}" for text in evidence.crashes]
    found += _check_rejections(evidence)
    excuses = Excuses(evidence.events, lease_s)
    for batch in evidence.batches:
        found += [f"{batch.planned.key}: {text}" for text in _check_batch(batch, evidence, sights, excuses)]
    return found


@dataclass(slots=True)
class _Seen:
    """A ticket: when it was first seen (Unix seconds), and in which folders it ever was."""

    first_at: float
    states: set[str] = field(default_factory=set)


_Sights = dict[tuple[str, str], dict[Ticket, _Seen]]


def _sights(evidence: Evidence) -> _Sights:
    """Every ticket that was ever seen, by batch and job."""
    sights: _Sights = defaultdict(dict)
    for event in evidence.events:
        if event.kind is Kind.SEEN:
            batch, _, text = event.subject.rpartition("/")
            ticket = Ticket.parse(text)
            sights[batch, ticket.job].setdefault(ticket, _Seen(event.at)).states.add(event.detail)
    return sights


def _check_rejections(evidence: Evidence) -> Iterator[str]:
    yield from (f"{n} was rejected" for n in sorted(evidence.rejected - evidence.expected_rejections))
    yield from (f"{n} was not rejected" for n in sorted(evidence.expected_rejections - evidence.rejected))


def _check_batch(batch: EndedBatch, evidence: Evidence, sights: _Sights, excuses: Excuses) -> Iterator[str]:
    if not batch.finished:
        yield "it is not in finished/"
    by_job: dict[str, list[tuple[State, Ticket]]] = {job.name: [] for job in batch.planned.jobs}
    for state, ticket in batch.tickets:
        by_job.setdefault(ticket.job, []).append((state, ticket))
    states = {job: places[0][0] for job, places in by_job.items() if places}
    for job, places in by_job.items():
        if len(places) != 1 or places[0][0] not in TERMINAL:
            yield f"{job}: {[f'{s.value}/{t}' for s, t in places]} is not one ticket of a job that has ended"
        if not places:
            continue
        newest = max(places, key=lambda place: place[1].attempt)
        runs = {
            t.attempt: r for (key, t), r in evidence.runs.items() if (key, t.job) == (batch.planned.key, job)
        }
        known = sights[batch.planned.key, job]
        case = _Case(batch, batch.planned.job(job), *newest, states, runs, known, evidence, excuses)
        yield from (f"{job}: {text}" for text in case.check())
    yield from _check_names(batch)


def _check_names(batch: EndedBatch) -> Iterator[str]:
    for name, result in batch.results.items():
        yield from (f"archive/{name}: {fault}" for fault in result.faults)
        if name.split("~")[0] not in {job.name for job in batch.planned.jobs}:
            yield f"archive/{name} is of no job"


@dataclass(frozen=True, slots=True)
class _Case:
    """One job of a batch, and everything that is known of it. ``runs`` by attempt."""

    batch: EndedBatch
    job: PlannedJob
    state: State
    ticket: Ticket
    states: dict[str, State]
    runs: dict[int, list[Run]]
    sights: dict[Ticket, _Seen]
    evidence: Evidence
    excuses: Excuses

    def check(self) -> Iterator[str]:
        yield from self._check_runs()
        yield from self._check_holders()
        yield from self._check_result()
        yield from self._check_earlier()
        yield from self._check_outcome()
        yield from self._check_order()
        yield from self._check_losses()

    @property
    def retried(self) -> bool:
        return self.batch.planned.key in self.evidence.retried

    @property
    def result(self) -> Archived | None:
        return self.batch.results.get(self.job.name)

    @property
    def origin(self) -> Run | None:
        """The run that made the result: the attempt's own, or an earlier one of this node that nobody followed."""
        before = [attempt for attempt in self.runs if attempt <= self.ticket.attempt]
        return self.runs[max(before)][0] if before else None

    def _check_runs(self) -> Iterator[str]:
        for attempt, runs in self.runs.items():
            if len(runs) > 1:
                yield f"attempt {attempt} ran {len(runs)} times, on {[run.node for run in runs]}"
            if attempt > self.ticket.attempt:
                yield f"attempt {attempt} ran, although it is {self.state.value}/{self.ticket}"

    def _check_holders(self) -> Iterator[str]:
        """No attempt had two holders; after publication there was no other attempt, unless somebody retried."""
        holders: dict[int, set[str]] = defaultdict(set)
        for ticket in self.sights:
            if ticket.node:
                holders[ticket.attempt].add(ticket.node)
        for attempt, nodes in holders.items():
            if len(nodes) > 1:
                yield f"attempt {attempt} was held by {sorted(nodes)}"
        for ticket, seen in self.sights.items():
            published = seen.states & {State.PUBLISHING.value, State.DONE.value}
            if published and ticket.attempt < self.ticket.attempt and not self.retried:
                yield f"{ticket} was published, and yet given back"

    def _check_result(self) -> Iterator[str]:
        result = self.result
        if self.state is State.PUBLISHING:
            return  # the result may be in the archive, or not yet
        if self.ticket.node is None or self.state not in TERMINAL:
            if result is not None and not self.retried:
                yield f"a result, although it is {self.state.value}/{self.ticket}"
            return
        if result is None or result.record is None:
            yield f"no result, although it is {self.state.value}/{self.ticket}"
            return
        record = result.record
        if (record.attempt, record.node) != (self.ticket.attempt, self.ticket.node):
            yield f"the result is of {record.attempt}@{record.node}, the ticket of {self.ticket}"
        if record.outcome.value != self.state.value:
            yield f"the result is {record.outcome.value}, the ticket {self.state.value}"
        yield from self._check_content(result)

    def _check_content(self, result: Archived) -> Iterator[str]:
        run = self.origin
        yield from self._check_saved(result)
        if result.nonce and (run is None or (run.nonce, run.node) != (result.nonce, self.ticket.node)):
            yield f"the result was not made by {self.ticket}: {result.nonce} is not of {run}"
        if result.data and result.data != self.batch.planned.data.strip():
            yield f"the job got another's input: {result.data!r}"

    def _check_saved(self, result: Archived) -> Iterator[str]:
        """Whoever ended by himself had saved everything."""
        if result.record is None or result.record.exit_code not in (0, EXIT_CODE):
            return
        size_bytes = 1024 * self.job.kib
        if not result.nonce or not result.data or result.large_bytes != size_bytes:
            there = (
                f"nonce {result.nonce!r}, data {result.data!r}, {result.large_bytes} of {size_bytes} bytes"
            )
            yield f"archive/{result.name} lacks what the job saved: {there}"

    def _check_earlier(self) -> Iterator[str]:
        """``J~k``: attempts that ended with an error and were retried, or were there before a retry by hand."""
        kept = {n: r for n, r in self.batch.results.items() if n.startswith(f"{self.job.name}~")}
        for name, result in kept.items():
            attempt = int(name.split("~")[1])
            record = result.record
            if attempt >= self.ticket.attempt:
                yield f"archive/{name} beside {self.state.value}/{self.ticket}"
            yield from self._check_saved(result)
            if record is None or record.attempt != attempt:
                yield f"archive/{name} is not what it is called"
            elif record.outcome is Outcome.DONE or (record.exit_code != EXIT_CODE and not self.retried):
                yield f"archive/{name} has no place: {record.outcome.value}, exit code {record.exit_code}"
        if len(kept) > self.job.retries and not self.retried:
            yield f"retried {len(kept)} times, where {self.job.retries} are allowed"

    def _check_outcome(self) -> Iterator[str]:
        run, node = self.origin, self.ticket.node
        record = self.result.record if self.result and node else None
        match self.state:
            case State.DONE:
                if run is None or run.exit_code != 0:
                    yield f"done, but its run was {run}"
            case State.FAILED if node is None:
                if self.batch.planned.fails_on == "nowhere" and not self._often_lost():
                    yield "given up, although every node can build it"
            case State.FAILED if record and record.exit_code == EXIT_CODE:
                if self._errors() < self.job.retries and not self.retried:
                    yield f"failed after {self._errors()} errors, where {self.job.retries} retries are allowed"
            case State.FAILED:
                if not self._often_lost():
                    yield f"failed without an error of its own: {record.reason if record else ''}"
            case State.CANCELLED:
                yield from self._check_cancelled()

    def _often_lost(self) -> bool:
        mine = [loss for loss in self.batch.losses if loss.ticket.job == self.job.name]
        # The last one, on its own node, has a record and no mark.
        nodes = {loss.ticket.node for loss in mine if loss.cause is LossCause.LOST} | {self.ticket.node} - {
            None
        }
        attempts = {loss.ticket.attempt for loss in mine} | {self.ticket.attempt}
        return self.retried or len(nodes) >= _MOST_NODES or len(attempts) >= _MOST_LOSSES

    def _errors(self) -> int:
        return sum(name.startswith(f"{self.job.name}~") for name in self.batch.results)

    def _check_cancelled(self) -> Iterator[str]:
        key, killed = self.batch.planned.key, self.evidence.killed
        asked = key in killed or f"{key}/{self.job.name}" in killed
        if not asked and all(self.states.get(need) is State.DONE for need in self.job.depends):
            yield "cancelled, although nobody asked for it and what it depends on is done"

    def _check_order(self) -> Iterator[str]:
        """Nothing started before what it depends on had ended well."""
        first = min((run.started_at for runs in self.runs.values() for run in runs), default=None)
        for need in self.job.depends:
            ends = [
                run.ended_at
                for (key, ticket), runs in self.evidence.runs.items()
                for run in runs
                if (key, ticket.job) == (self.batch.planned.key, need) and run.exit_code == 0
            ]
            if first is not None and not any(end is not None and end <= first for end in ends):
                yield f"started before {need} had ended well"

    def _check_losses(self) -> Iterator[str]:
        """An attempt that left no result was lost with its node, even if that took it over: it was in trouble."""
        for attempt in sorted(self.runs):
            if attempt >= self.ticket.attempt or self._is_kept(attempt):
                continue
            run = self.runs[attempt][0]
            if not self.excuses.excuse(run.node, run.started_at, self._followed_at(attempt)):
                yield f"attempt {attempt} was taken from {run.node}, which had no trouble"

    def _is_kept(self, attempt: int) -> bool:
        last = self.result.record if self.result else None
        aside = f"{self.job.name}~{attempt}" in self.batch.results
        return aside or (last is not None and last.attempt == attempt)

    def _followed_at(self, attempt: int) -> float:
        """When there was a later attempt, at the latest."""
        started = [run.started_at for n, runs in self.runs.items() if n > attempt for run in runs]
        seen = [seen.first_at for ticket, seen in self.sights.items() if ticket.attempt > attempt]
        return min(started + seen, default=float("inf"))

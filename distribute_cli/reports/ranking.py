"""Which waiting jobs a node takes before one, and by which rule. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from distribute_cli.reports.nodes import Life, NodeReport
from distribute_cli.words import count, join
from nodewatch.capacity import Capacity, fits, need_of
from nodewatch.picking import Rule, may_run, rank_of
from spoold.records import BatchHeader, JobSpec

#: Of one job, and of several.
_SAY = {
    Rule.GPU: ("asks for GPUs", "ask for GPUs"),
    Rule.BUILT: ("is built there already", "are built there already"),
    Rule.PRIORITY: ("has a higher priority", "have a higher priority"),
    Rule.FAIR_SHARE: ("is of a namespace with less at work", "are of namespaces with less at work"),
    Rule.AGE: ("is older", "are older"),
}


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """A batch with pending jobs: ``pending`` their places in the job file and what they are.

    ``built_on`` are the nodes on which it is built, ``refused_by`` those that don't take it.
    """

    header: BatchHeader
    pending: tuple[tuple[int, JobSpec], ...]
    built_on: frozenset[str] = frozenset()
    refused_by: frozenset[str] = frozenset()


_Rank = tuple[bool, bool, int, int, tuple[float, str, int]]


def count_ahead(
    batches: Iterable[WaitingBatch], batch: str, job: str, node: NodeReport, at_work: Mapping[str, int]
) -> Counter[Rule]:
    """How many jobs ``node`` takes before ``NAMESPACE/BATCH``'s ``job``, by the rule that decides.

    ``at_work`` has cores by namespace. Jobs that it can never run don't count.
    """
    ranks: list[_Rank] = []
    mine: _Rank | None = None
    for one in batches:
        if node.name in one.refused_by or not may_run(one.header, frozenset(node.capabilities)):
            continue
        for position, spec in one.pending:
            rank = _rank(one, position, spec, node, at_work)
            if (one.header.key, spec.name) == (batch, job):
                mine = rank
            elif _fits(spec, node):
                ranks.append(rank)
    if mine is None:
        return Counter()
    return Counter(rule_between(rank, mine) for rank in ranks if rank < mine)


def rule_between(one: _Rank, other: _Rank) -> Rule:
    """What decides which of two different ranks goes first."""
    return next(rule for rule, first, second in zip(Rule, one, other, strict=True) if first != second)


def count_at_work(nodes: Iterable[NodeReport]) -> Counter[str]:
    """Cores at work by namespace, as nodes say; one that doesn't say how many counts all that it has."""
    found: Counter[str] = Counter()
    for node in nodes:
        for job in node.jobs if node.life is Life.LIVE else ():
            found[job.namespace] += job.cores or node.cores
    return found


def say_order(node: str, job: str, ahead: Mapping[Rule, int]) -> str:
    """``on alpha 3 jobs go before a: 2 have a higher priority and 1 is older``."""
    parts = [f"{ahead[rule]} {_SAY[rule][ahead[rule] > 1]}" for rule in sorted(ahead)]
    go = "go" if sum(ahead.values()) > 1 else "goes"
    return f"on {node} {count(sum(ahead.values()), 'job')} {go} before {job}: {join(parts)}"


def explain_order(
    nodes: Sequence[NodeReport], batches: Sequence[WaitingBatch], batch: str, job: str
) -> Iterator[tuple[str, str]]:
    """For each live node that has jobs to do before this one: its name, and a sentence."""
    at_work = count_at_work(nodes)
    for node in nodes:
        if node.life is Life.LIVE:
            ahead = count_ahead(batches, batch, job, node, at_work)
            if ahead:
                yield node.name, say_order(node.name, job, ahead)


def _rank(
    batch: WaitingBatch, position: int, job: JobSpec, node: NodeReport, at_work: Mapping[str, int]
) -> _Rank:
    header = batch.header
    rank = rank_of(header, job, "gpu" in node.capabilities, node.name in batch.built_on)
    age = header.submitted_at, header.key, position
    return (*rank, at_work.get(header.namespace, 0), age)


def _fits(job: JobSpec, node: NodeReport) -> bool:
    capacity = Capacity(node.cores, node.memory_bytes, node.gpus)
    return fits(need_of(job, capacity), capacity)

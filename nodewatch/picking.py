"""Which job a node takes next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spoold.records import BatchHeader, JobSpec
from spoold.tickets import Ticket

#: What this version of the node can run.
RUNNABLE = frozenset({"python", "command"})


@dataclass(frozen=True, slots=True)
class PickBatch:
    """A batch with work, as a node sees it: ``pending`` as it was listed, ``built`` if its tree is here."""

    header: BatchHeader
    jobs: Mapping[str, tuple[int, JobSpec]]
    pending: tuple[Ticket, ...]
    built: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that this node could take; the first in the order is tried first."""

    header: BatchHeader
    job: JobSpec
    ticket: Ticket


def may_run(header: BatchHeader, capabilities: frozenset[str]) -> bool:
    """Whether a node with these capabilities can run the batch at all."""
    return header.kind in RUNNABLE and capabilities.issuperset(header.capabilities)


def order(batches: Iterable[PickBatch], gpu_node: bool) -> list[Candidate]:
    """GPU jobs first on a GPU node, then what is built here, priority, age, the order in the file."""
    ranked = []
    for batch in batches:
        header, jobs, unbuilt = batch.header, batch.jobs, not batch.built
        submitted_at, key = header.submitted_at, header.key
        for ticket in batch.pending:
            position, job = jobs[ticket.job]
            late = not (gpu_node and job.resources.gpus)
            # A position comes once a batch: the comparison never gets as far as the candidate.
            candidate = Candidate(header, job, ticket)
            ranked.append((late, unbuilt, -job.priority, submitted_at, key, position, candidate))
    ranked.sort()
    return [rank[-1] for rank in ranked]

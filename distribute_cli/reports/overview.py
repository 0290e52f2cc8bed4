"""What `distribute status` says of the whole spool. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spoold.node_records import NodeStatus
from spoold.records import BatchHeader
from spoold.tickets import State, Ticket


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs of a batch are in each state."""

    held: int = 0
    pending: int = 0
    claimed: int = 0
    publishing: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.waiting + self.running + self.ended

    @property
    def waiting(self) -> int:
        return self.held + self.pending

    @property
    def running(self) -> int:
        return self.claimed + self.publishing

    @property
    def ended(self) -> int:
        return self.done + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class RunningOn:
    """How many jobs of a batch a node has, and how many of them are paused."""

    node: str
    jobs: int
    paused: int


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch; times in Unix seconds, ``ended_at`` is None while it has work."""

    namespace: str
    batch: str
    kind: str
    submitter: str
    submitted_at: float
    ended_at: float | None
    counts: Counts
    running_on: tuple[RunningOn, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.batch}"


@dataclass(frozen=True, slots=True)
class WaitingDrop:
    """Something in ``incoming/`` that no steward has dealt with yet; ``ignored`` says why none ever will."""

    name: str
    kind: str
    submitter: str
    dropped_at: float
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something in ``rejected/``, and the first line of why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Overview:
    """``finished`` and ``rejected`` are newest first; so many ``_more`` of each were left out."""

    spool: str
    at: float
    batches: tuple[BatchLine, ...]
    finished: tuple[BatchLine, ...]
    finished_more: int
    incoming: tuple[WaitingDrop, ...]
    rejected: tuple[Rejection, ...]
    rejected_more: int
    troubles: tuple[str, ...]


def count_names(names: Mapping[State, Sequence[str]]) -> Counts:
    """Counts of tickets by what the state folders list; names are not looked into but for the ``~``."""
    return Counts(**{state.value: sum("~" in name for name in names[state]) for state in State})


def count_latest(latest: Mapping[str, tuple[State, Ticket]]) -> Counts:
    """Counts of jobs by the newest ticket of each."""
    return Counts(**Counter(state.value for state, _ in latest.values()))


def describe_batch(
    header: BatchHeader,
    counts: Counts,
    ended_at: float | None,
    holders: Sequence[Ticket] = (),
    nodes: Mapping[str, NodeStatus] | None = None,
) -> BatchLine:
    """``holders`` are the tickets in ``claimed/`` and ``publishing/``."""
    where = Counter(ticket.node for ticket in holders if ticket.node)
    return BatchLine(
        header.namespace,
        header.batch,
        header.kind,
        header.submitter,
        header.submitted_at,
        ended_at,
        counts,
        tuple(
            RunningOn(node, jobs, _count_paused(header, (nodes or {}).get(node)))
            for node, jobs in sorted(where.items())
        ),
    )


def _count_paused(header: BatchHeader, status: NodeStatus | None) -> int:
    jobs = status.jobs if status else ()
    ours = (job for job in jobs if (job.namespace, job.batch) == (header.namespace, header.batch))
    return sum(job.phase == "paused" for job in ours)

"""In which order a node takes jobs. Pure.

GPU jobs first on a node with GPUs, then what is built here, then priority, then the namespace that has the
fewest cores at work, then age, then the order in the job file.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from spoold.records import BatchHeader, JobSpec, Resources
from spoold.tickets import Ticket

#: What this version of the node can run.
RUNNABLE = frozenset({"python", "command", "apptainer"})


class Rule(IntEnum):
    """What decides which of two jobs goes first; the lowest one in which they differ."""

    GPU = 0
    BUILT = 1
    PRIORITY = 2
    FAIR_SHARE = 3
    AGE = 4


@dataclass(frozen=True, slots=True)
class PickBatch:
    """A batch with work, as a node sees it: ``pending`` as it was listed, ``built`` if its tree is here."""

    header: BatchHeader
    jobs: Mapping[str, tuple[int, JobSpec]]
    pending: tuple[Ticket, ...]
    built: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that this node could take."""

    header: BatchHeader
    job: JobSpec
    ticket: Ticket


_Class = tuple[bool, bool, int]
#: (submitted_at, batch, position): no two jobs are equal in it.
_Age = tuple[float, str, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs of one batch that are equal in every rule but age and in what they need; not asked when empty."""

    rank: _Class
    namespace: str
    batch: str
    jobs: deque[tuple[_Age, Candidate]]

    @property
    def head(self) -> Candidate:
        """The next one."""
        return self.jobs[0][1]

    def pop(self) -> Candidate:
        return self.jobs.popleft()[1]

    def skip(self, count: int) -> None:
        """Forget so many of the next."""
        for _ in range(count):
            self.jobs.popleft()


def may_run(header: BatchHeader, capabilities: frozenset[str]) -> bool:
    """Whether a node with these capabilities can run the batch at all."""
    return header.kind in RUNNABLE and capabilities.issuperset(header.needs)


def rank_of(header: BatchHeader, job: JobSpec, gpu_node: bool, built: bool) -> _Class:
    """How early a job goes by the first three rules; the lower the earlier."""
    # Precedence is for builds that are saved: without one, the next rules decide.
    return not (gpu_node and job.resources.gpus), not (header.needs_build and built), -job.priority


class Line:
    """The jobs that wait, grouped so that the next one costs the same however many there are."""

    def __init__(self, batches: Iterable[PickBatch] = (), gpu_node: bool = False) -> None:
        groups: dict[tuple[_Class, str, Resources], Group] = {}
        for batch in batches:
            header = batch.header
            for ticket in sorted(batch.pending, key=lambda one: batch.jobs[one.job][0]):
                position, job = batch.jobs[ticket.job]
                rank = rank_of(header, job, gpu_node, batch.built)
                key = rank, header.key, job.resources
                if key not in groups:
                    groups[key] = Group(rank, header.namespace, header.key, deque())
                age = header.submitted_at, header.key, position
                groups[key].jobs.append((age, Candidate(header, job, ticket)))
        self._groups = list(groups.values())

    def __bool__(self) -> bool:
        return any(group.jobs for group in self._groups)

    def namespaces(self) -> set[str]:
        return {group.namespace for group in self._groups}

    def ranked(self, cores_at_work: Mapping[str, int]) -> Iterator[Group]:
        """By their next jobs, best first; ``cores_at_work`` by namespace."""
        heap = [
            (group.rank, cores_at_work.get(group.namespace, 0), group.jobs[0][0], number)
            for number, group in enumerate(self._groups)
            if group.jobs
        ]
        heapq.heapify(heap)
        while heap:
            yield self._groups[heapq.heappop(heap)[-1]]

    def forget(self, batch: str) -> None:
        """Drop all jobs of a batch, ``NAMESPACE/BATCH``."""
        self._groups = [group for group in self._groups if group.batch != batch]

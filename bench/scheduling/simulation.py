"""Nodes that take jobs from one line, by event; nothing here waits or runs."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.scheduling.workload import Arrival
from nodewatch.capacity import Capacity, Need
from nodewatch.scheduling import Reservation, Running, Waiting, choose


@dataclass(frozen=True, slots=True)
class Started:
    """A job and when it started, on which node; seconds."""

    job: Arrival
    at_s: float
    node: int

    @property
    def waited_s(self) -> float:
        return self.at_s - self.job.at_s

    @property
    def ended_s(self) -> float:
        return self.at_s + self.job.runs_s


@dataclass(slots=True)
class _Node:
    capacity: Capacity
    running: dict[int, tuple[Arrival, Running]] = field(default_factory=dict)
    reservation: Reservation | None = None

    def at_work(self) -> list[Running]:
        return [running for _, running in self.running.values()]

    def free_cores(self) -> int:
        return self.capacity.cores - sum(job.cores for job, _ in self.running.values())


#: (line of waiting jobs, node, cores at work by user, time) → the job that the node starts now.
Policy = Callable[[Sequence[Arrival], "_Node", Counter[str], float], Arrival | None]


def first_come(line: Sequence[Arrival], node: _Node, at_work: Counter[str], now_s: float) -> Arrival | None:
    """Nobody goes before who came first."""
    return line[0] if line and line[0].cores <= node.free_cores() else None


def as_nodes_do(line: Sequence[Arrival], node: _Node, at_work: Counter[str], now_s: float) -> Arrival | None:
    """Fair share, then age; small jobs fill gaps, and the first that doesn't fit is kept a place."""
    ranked = sorted(line, key=lambda job: (at_work[job.user], job.at_s))
    waiting = (Waiting(job.number, Need(job.cores, time_s=job.said_s), job) for job in ranked)
    choice = choose(waiting, node.at_work(), node.capacity, now_s, node.reservation)
    node.reservation = choice.reservation
    return choice.start


def simulate(jobs: Sequence[Arrival], nodes: int, cores: int, policy: Policy, seed: int) -> list[Started]:
    """All jobs on ``nodes`` nodes of ``cores`` cores; which one looks first is by chance."""
    chance = random.Random(seed)
    lab = [_Node(Capacity(cores, 0)) for _ in range(nodes)]
    arrivals, line, done = list(reversed(jobs)), list[Arrival](), list[Started]()
    ends: list[tuple[float, int, int]] = []
    at_work: Counter[str] = Counter()
    while arrivals or ends:
        now_s = min(([arrivals[-1].at_s] if arrivals else []) + ([ends[0][0]] if ends else []))
        while arrivals and arrivals[-1].at_s <= now_s:
            line.append(arrivals.pop())
        while ends and ends[0][0] <= now_s:
            _, number, where = heapq.heappop(ends)
            ended, _ = lab[where].running.pop(number)
            at_work[ended.user] -= ended.cores
        for started in _start(line, lab, at_work, now_s, policy, chance):
            done.append(started)
            heapq.heappush(ends, (started.ended_s, started.job.number, started.node))
    return done


def _start(
    line: list[Arrival],
    lab: list[_Node],
    at_work: Counter[str],
    now_s: float,
    policy: Policy,
    chance: random.Random,
) -> list[Started]:
    """What all nodes start now, each until it finds nothing more."""
    found = []
    looking = list(range(len(lab)))
    chance.shuffle(looking)
    while looking:
        node = lab[looking[0]]
        job = policy(line, node, at_work, now_s)
        if job is None:
            looking.pop(0)
            continue
        line.remove(job)
        at_work[job.user] += job.cores
        # A job is ended when its time is over, so what is said is never too short.
        ends_s = None if job.said_s is None else now_s + job.said_s
        node.running[job.number] = job, Running(Capacity(job.cores, 0), now_s, ends_s)
        found.append(Started(job, now_s, looking[0]))
        looking.append(looking.pop(0))
    return found

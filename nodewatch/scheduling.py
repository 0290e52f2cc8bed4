"""Which of the waiting jobs starts now, and for which one room is kept: EASY backfilling. Pure.

The best job that doesn't fit yet holds a reservation for the time at which what runs will have made room.
Others may start before it if they end by then, or need only what it leaves free. See Lifka, "The ANL/IBM SP
Scheduling System" (1995), and Mu'alem and Feitelson, "Utilization, Predictability, Workloads, and User
Runtime Estimates in Scheduling the IBM SP2 with Backfilling" (2001).

Where jobs don't say how long they run, nobody knows that time. Then others may start for ``PATIENCE_S`` only;
what starts later leaves room for the one that waits.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nodewatch.capacity import Capacity, Need, fits, left_of

PATIENCE_S = 600.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Running:
    """A job at work: since when, and when it ends at the latest (None: unknown); monotonic seconds."""

    size: Capacity
    started_s: float
    ends_s: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """A job that could start; ``key`` tells it from the others, also in a later look."""

    key: Hashable
    need: Need
    job: T


@dataclass(frozen=True, slots=True)
class Reservation:
    """The job that room is kept for, and since when (monotonic seconds)."""

    key: Hashable
    since_s: float


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """What to start now, if anything, and the reservation that stands."""

    start: T | None
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True)
class _Promise:
    """When there is room for the job that waits, and what else is free then."""

    at_s: float
    spare: Capacity


def choose(
    waiting: Iterable[Waiting[T]],
    running: Sequence[Running],
    capacity: Capacity,
    now_s: float,
    standing: Reservation | None = None,
) -> Choice[T]:
    """The first of ``waiting``, best first, that may start; ``standing`` is the last answer's reservation.

    Jobs that need more than ``capacity`` are passed over.
    """
    free = left_of(capacity, [job.size for job in running])
    reservation: Reservation | None = None
    promise: _Promise | None = None
    for job in waiting:
        if not fits(job.need, capacity):
            continue
        if _has_room(job.need, free, running):
            if promise is None or _keeps(promise, job.need, now_s):
                return Choice(job.job, reservation)
        elif reservation is None:
            since_s = standing.since_s if standing and standing.key == job.key else now_s
            reservation = Reservation(job.key, since_s)
            promise = _promise(job.need, running, capacity, now_s, since_s + PATIENCE_S)
    return Choice(None, reservation)


def _has_room(need: Need, free: Capacity, running: Sequence[Running]) -> bool:
    return not running if need.whole else fits(need, free)


def _keeps(promise: _Promise, need: Need, now_s: float) -> bool:
    """Whether a job with this need delays nothing that was promised."""
    ends_s = math.inf if need.time_s is None else now_s + need.time_s
    return ends_s <= promise.at_s or (not need.whole and fits(need, promise.spare))


def _promise(
    need: Need, running: Sequence[Running], capacity: Capacity, now_s: float, patient_until_s: float
) -> _Promise:
    """The earliest time at which there is room, as far as the running jobs say when they end."""
    ends = sorted({job.ends_s for job in running if job.ends_s is not None})
    for at_s in ends:
        left = [job for job in running if job.ends_s is None or job.ends_s > at_s]
        free = left_of(capacity, [job.size for job in left])
        if _has_room(need, free, left):
            return _Promise(max(at_s, now_s), left_of(free, [need]))
    if now_s < patient_until_s:
        return _Promise(math.inf, capacity)
    # What was there before is taken to end soon; what came since must leave room.
    later = [job.size for job in running if job.started_s >= patient_until_s]
    return _Promise(now_s, left_of(capacity, [need, *later]))

"""What is measured, and what is hoped for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median

MOST_IDLE_PER_S, MOST_A_JOB = 2.0, 30.0
MEDIAN_WAIT_S, LONGEST_WAIT_S = 2.0, 10.0


@dataclass(frozen=True, slots=True)
class Idle:
    """Operations a second of a node that has nothing to do, as the steward or not."""

    nfs: str
    steward: bool
    seconds: float
    by_operation: dict[str, int]

    @property
    def per_s(self) -> float:
        return sum(self.by_operation.values()) / self.seconds


@dataclass(frozen=True, slots=True)
class JobCost:
    """Operations a job, of all clients together; by operation too."""

    nfs: str
    by_operation: dict[str, float]

    @property
    def a_job(self) -> float:
        return sum(self.by_operation.values())


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from each drop on one client to its job's start on another; ``way`` is how it was dropped."""

    nfs: str
    way: str
    waits_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return median(self.waits_s)

    @property
    def longest_s(self) -> float:
        return max(self.waits_s)


def cost_between(small: Counter[str], large: Counter[str], jobs: int) -> dict[str, float]:
    """Operations a job, from two batches whose sizes differ by ``jobs``: free of what comes once a batch."""
    return {name: (large[name] - small[name]) / jobs for name in sorted(large.keys() | small.keys())}

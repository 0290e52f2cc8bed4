"""Which logical CPUs a node's core numbers stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_SYSTEM = Path("/sys/devices/system/cpu")


class Topology:
    """The CPUs of each core that may be lent; those of no core where the numbers mean nothing here."""

    def __init__(self, cores: tuple[tuple[int, ...], ...]) -> None:
        self._cores = cores

    def cpus(self, cores: Iterable[int]) -> tuple[int, ...] | None:
        """The logical CPUs of these core numbers; None: any."""
        numbers = tuple(cores)
        if any(number >= len(self._cores) for number in numbers):
            return None
        return tuple(sorted(cpu for number in numbers for cpu in self._cores[number]))


def lend(siblings: Mapping[int, frozenset[int]], cores: int, reserved: int) -> Topology:
    """The topology of a node that lends ``cores`` cores and keeps the first ``reserved``; pure.

    ``siblings`` has for each logical CPU all that share its physical core. A core is a physical one; where
    more are lent than there are, a logical CPU; where more than those, no CPU belongs to anybody.
    """
    physical = sorted({tuple(sorted(group)) for group in siblings.values()})
    logical = [(cpu,) for cpu in sorted(siblings)]
    for units in (physical, logical):
        if reserved + cores <= len(units):
            return Topology(tuple(units[reserved : reserved + cores]))
    return Topology(())


def read_siblings() -> dict[int, frozenset[int]]:
    """Of the CPUs that this process may use."""
    usable = os.sched_getaffinity(0)
    return {cpu: _read_siblings(cpu) & usable for cpu in usable}


def _read_siblings(cpu: int) -> frozenset[int]:
    try:
        listed = (_SYSTEM / f"cpu{cpu}/topology/thread_siblings_list").read_text()
        return parse_cpu_list(listed)
    except (OSError, ValueError):
        return frozenset({cpu})


def parse_cpu_list(text: str) -> frozenset[int]:
    """``0,4-6`` as numbers; the form of cpuset(7). Raises ValueError."""
    found: set[int] = set()
    for piece in text.strip().split(","):
        first, _, last = piece.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)

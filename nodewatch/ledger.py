"""Who has what of this node: grants given and taken back. Any thread may call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from threading import Lock

from nodewatch.capacity import Capacity, Grant, Need, size_of
from nodewatch.scheduling import Running


@dataclass(frozen=True, slots=True)
class _Entry:
    grant: Grant
    namespace: str
    running: Running


class Ledger:
    """The grants of the jobs that are on this node, by ``NAMESPACE/BATCH/TICKET``."""

    def __init__(self, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity, self._clock = capacity, clock
        self._lock = Lock()
        self._entries: dict[str, _Entry] = {}

    def grant(self, key: str, need: Need, shares_tree: bool) -> Grant:
        """Set aside what a job needs, which must be free: numbers that no other job has."""
        with self._lock:
            granted = self._choose(need, shares_tree)
            self._enter(key, granted, need.time_s)
            return granted

    def restore(self, key: str, grant: Grant, time_s: float | None) -> None:
        """Enter what an earlier daemon gave to a job that goes on."""
        with self._lock:
            self._enter(key, grant, time_s)

    def release(self, key: str) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def running(self) -> list[Running]:
        with self._lock:
            return [entry.running for entry in self._entries.values()]

    def cores_at_work(self) -> dict[str, int]:
        """By namespace."""
        found: dict[str, int] = {}
        with self._lock:
            for entry in self._entries.values():
                found[entry.namespace] = found.get(entry.namespace, 0) + len(entry.grant.cores)
        return found

    def _enter(self, key: str, grant: Grant, time_s: float | None) -> None:
        now_s = self._clock()
        ends_s = None if time_s is None else now_s + time_s
        self._entries[key] = _Entry(grant, key.partition("/")[0], Running(size_of(grant), now_s, ends_s))

    def _choose(self, need: Need, shares_tree: bool) -> Grant:
        grants = [entry.grant for entry in self._entries.values()]
        cores = tuple(islice(_free({core for one in grants for core in one.cores}), need.cores))
        gpus = tuple(islice(_free({gpu for one in grants for gpu in one.gpus}), need.gpus))
        # Its first core is its alone, so the copy of that number is too.
        return Grant(cores, need.memory_bytes, gpus, need.whole, cores[0] if shares_tree else None)


def _free(taken: set[int]) -> Iterator[int]:
    return (number for number in count() if number not in taken)

"""How much memory a run has, looked at now and then: for its record, and for its limit."""

from __future__ import annotations

import os
import time

from . import procfs
from .groups import Group

_FIRST_S = 0.05
_LONGEST_S, _LONGEST_LIMITED_S, _NEAR_S = 2.0, 1.0, 0.1
_NEAR = 0.7  # of the limit
_SHARE = 50.0  # of so many CPU seconds, one may be spent on looking


class Watch:
    """Looks at the memory of all descendants of this process, or of ``group``.

    ``peak_memory_bytes`` is the most that was seen, ``over`` whether that was more than the limit. Where the
    kernel sees to the limit it does so at once; here a job is seen to be over it at the next look, which is
    up to a second away, and a tenth when it is near.
    """

    def __init__(self, limit_bytes: int | None, pids: int | None, group: Group | None) -> None:
        self.limit_bytes, self._pids, self._group = limit_bytes, pids, group
        self._begin_s = time.monotonic()
        self._due_s = self._begin_s + _FIRST_S
        self.peak_memory_bytes = 0
        self.over = False

    def left_s(self) -> float:
        """Until the next look."""
        return max(0.0, self._due_s - time.monotonic())

    def look(self) -> bool:
        """If it is time for it; whether the job must be ended for its memory."""
        if time.monotonic() < self._due_s:
            return False
        begin_cpu_s = time.process_time()
        used_bytes, capped = self._used_bytes(), self._is_capped()
        self.peak_memory_bytes = max(self.peak_memory_bytes, used_bytes)
        self.over = self.limit_bytes is not None and used_bytes > self.limit_bytes and not capped
        now_s = time.monotonic()
        cost_s = _SHARE * (time.process_time() - begin_cpu_s)
        self._due_s = now_s + max(cost_s, self._rest_s(used_bytes, capped, now_s))
        return self.over

    def _rest_s(self, used_bytes: int, capped: bool, now_s: float) -> float:
        if self.limit_bytes is None or capped:
            longest_s = _LONGEST_S
        else:
            longest_s = _NEAR_S if used_bytes > _NEAR * self.limit_bytes else _LONGEST_LIMITED_S
        return min(longest_s, max(_FIRST_S, (now_s - self._begin_s) / 4))

    def _is_capped(self) -> bool:
        """A controller that was taken away and given back, as at a restart of the daemon, forgets it."""
        if self._group is None or self.limit_bytes is None:
            return False
        if not self._group.caps_memory(self.limit_bytes):
            self._group.cap(self.limit_bytes, self._pids)
        return self._group.caps_memory(self.limit_bytes)

    def _used_bytes(self) -> int:
        counted = self._group.memory_bytes() if self._group else None
        if counted is not None:
            return counted
        processes = self._find()
        resident_bytes = sum(process.memory_bytes for process in processes)
        if len(processes) < 2 or resident_bytes <= self.peak_memory_bytes:
            return resident_bytes
        # Shared pages counted once: it takes a walk through the page tables, so only if it matters.
        return sum(procfs.proportional_bytes(process) for process in processes)

    def _find(self) -> list[procfs.Process]:
        if self._group:
            return [process for process in map(procfs.look, self._group.pids()) if process]
        return procfs.descendants(os.getpid())

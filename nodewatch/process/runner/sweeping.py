"""Ending what is left of a job, whatever it does against that."""

from __future__ import annotations

import os
import signal
import time

from . import procfs

_SOONEST_S, _LATEST_S = 0.001, 1.0  # between two rounds of SIGKILL


class Brood:
    """All descendants of this process, which is their subreaper: the job, and whatever it started.

    ``job`` is its first process, None if it could not be executed. ``status`` is its wait status once it has
    ended; ``empty`` turns true when no descendant is left; ``struck`` are the others that had to be ended, as
    (pid, start). CPU seconds sum over all that were reaped, memory is the most that one of them had.
    """

    def __init__(self, job: int | None) -> None:
        self.job = job
        self.status: int | None = None
        self.user_cpu_s = self.system_cpu_s = 0.0
        self.peak_memory_bytes = 0
        self.empty = False
        self.struck: set[tuple[int, int]] = set()

    def reap(self) -> None:
        """Collect every child that has ended. Needs no look at /proc: orphans become our children."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.empty = True
                return
            if pid == 0:
                return
            # Each brings what it reaped itself. Not RUSAGE_CHILDREN, which has the runs before this one too.
            self.user_cpu_s += used.ru_utime
            self.system_cpu_s += used.ru_stime
            self.peak_memory_bytes = max(self.peak_memory_bytes, used.ru_maxrss * 1024)
            if pid == self.job:
                self.status = status

    def end(self, grace_s: float) -> None:
        """SIGTERM to all, ``grace_s`` later SIGKILL until nothing is left.

        Returns only then: a process in an uninterruptible wait, or one of another user, holds it up, because
        its memory and its files are still in use.
        """
        self._strike(signal.SIGTERM)
        self._strike(signal.SIGCONT)  # a stopped process takes no SIGTERM
        deadline_s = time.monotonic() + grace_s
        self.reap()
        while not self.empty and (left_s := deadline_s - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, left_s)
            self.reap()
        self._kill()

    def _kill(self) -> None:
        wait_s = _SOONEST_S
        while not self.empty:
            found_new = self._strike(signal.SIGKILL)
            wait_s = _SOONEST_S if found_new else min(2 * wait_s, _LATEST_S)
            signal.sigtimedwait({signal.SIGCHLD}, wait_s)
            self.reap()

    def _strike(self, signum: signal.Signals) -> bool:
        """Signal all; true if one of them wasn't known yet."""
        found = [child for child in procfs.descendants(os.getpid()) if child.state != "Z"]
        for process in found:
            procfs.send(process, signum)
        if signum == signal.SIGKILL:
            procfs.send_groups(found, signum)
        known = len(self.struck)
        self.struck.update((process.pid, process.start) for process in found if process.pid != self.job)
        return len(self.struck) > known

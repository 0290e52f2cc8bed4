"""Ending what is left of a job, whatever it does against that."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

from . import procfs
from .groups import Group

_SOONEST_S, _LATEST_S = 0.001, 1.0  # between two rounds of SIGKILL
_MOST_COUNTED = 1000


class Brood:
    """All descendants of this process, which is their subreaper: the job, and whatever it started.

    ``job`` is its first process, None if it could not be executed, ``group`` their control group. ``status``
    is its wait status once it has ended; ``empty`` turns true when no descendant is left; ``struck`` are the
    others that had to be ended, as (pid, start). CPU seconds sum over all that were reaped, memory is the
    most that one of them had. ``contained``: the job is in a container, and some are only there for that.
    """

    def __init__(self, job: int | None, group: Group | None = None, contained: bool = False) -> None:
        self.job = job
        self._group, self._contained = group, contained
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
        """SIGTERM to all, unless there is no grace, and ``grace_s`` later SIGKILL until nothing is left.

        Returns only then: a process in an uninterruptible wait, or one of another user, holds it up, because
        its memory and its files are still in use.
        """
        if grace_s > 0:
            self._ask()
        deadline_s = time.monotonic() + grace_s
        self.reap()
        while not self.empty and (left_s := deadline_s - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, left_s)
            self.reap()
        self._kill()

    def _ask(self) -> None:
        self._strike(signal.SIGTERM)
        # Neither a stopped process nor a frozen one takes it.
        self._strike(signal.SIGCONT)
        if self._group:
            self._group.freeze(False)

    def _kill(self) -> None:
        wait_s = _SOONEST_S
        while not self.empty:
            found_new = self._strike(signal.SIGKILL)
            wait_s = _SOONEST_S if found_new else min(2 * wait_s, _LATEST_S)
            signal.sigtimedwait({signal.SIGCHLD}, wait_s)
            self.reap()

    def _strike(self, signum: signal.Signals) -> bool:
        """Signal all; true if one of them wasn't known yet."""
        known = len(self.struck)
        if self._group and signum == signal.SIGKILL:
            # Thousands of processes take longer to be looked at one by one than to be made.
            self._note(filter(None, map(procfs.look, self._group.pids()[:_MOST_COUNTED])))
            self._group.kill()
        found = [child for child in procfs.descendants(os.getpid()) if child.state != "Z"]
        if self._contained:
            found = self._choose(found, signum)
        for process in found:
            procfs.send(process, signum)
        if signum == signal.SIGKILL:
            procfs.send_groups(found, signum)
        self._note(found)
        return len(self.struck) > known

    def _choose(self, processes: list[procfs.Process], signum: signal.Signals) -> list[procfs.Process]:
        """Those of a job in a container that get this signal."""
        if signum == signal.SIGTERM:
            # Without the image's file server the job could do nothing more in its grace. And what passes
            # signals on would tell the job twice.
            return self._only_job(processes) or processes
        if signum == signal.SIGCONT:
            # What passes signals on calls one that it can't pass on any more the reason of the job's end.
            return [process for process in processes if process.state in "tT"]
        return processes

    def _only_job(self, processes: Iterable[procfs.Process]) -> list[procfs.Process]:
        """Without those that are only there for its container."""
        return [one for one in processes if not self._contained or not procfs.attends_container(one.pid)]

    def _note(self, processes: Iterable[procfs.Process]) -> None:
        others = [process for process in processes if process.pid != self.job]
        self.struck.update((process.pid, process.start) for process in self._only_job(others))

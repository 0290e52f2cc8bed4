"""A run that goes on: a handle that says when it ends, and how the next daemon gets hold of it."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import Protocol

from nodewatch.process.delegation import name_group
from nodewatch.process.records import Started, read_exit, read_started
from nodewatch.process.runner import layout, procfs
from nodewatch.process.runner.groups import Group


class Hold(Protocol):
    """A hold on the runner that attends to a run, immune to reuse of its pid.

    Its descriptor turns readable when the run has ended, its exit record written, or its runner is dying.
    """

    def fileno(self) -> int: ...

    def settle(self) -> None:
        """Wait until a runner that is dying is gone; called when the descriptor is readable."""

    def send(self, signum: signal.Signals) -> None:
        """Does nothing if the runner is gone."""

    def release(self) -> None:
        """Let go of the runner; a run that hasn't ended goes on."""


class Run:
    """A hold on one run.

    ``pid`` and ``start`` are its runner's, ``start`` in clock ticks since boot; ``reaped_before_s`` is the
    CPU time that the runner had reaped before this run. ``begin_s``: since when it runs, monotonic seconds,
    as far as that is known, and ``started_at``, Unix seconds. ``group`` is its control group, None if it has
    none. The object can be given to ``select.poll``: it turns readable when the run has ended, its exit
    record written.
    """

    def __init__(self, run_dir: Path, started: Started, hold: Hold) -> None:
        self.run_dir = run_dir
        self.pid = started.runner_pid
        self.start = started.runner_start
        self.reaped_before_s = started.reaped_cpu_s
        self.begin_s = time.monotonic() if started.begin_s is None else started.begin_s
        self.group = find_group(run_dir)
        self.started_at = started.started_at
        self._hold: Hold | None = hold

    def __repr__(self) -> str:
        return f"Run({str(self.run_dir)!r}, pid={self.pid}, start={self.start})"

    def fileno(self) -> int:
        """Raises ValueError after ``close``."""
        return self._held().fileno()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether the run has ended; waits up to ``timeout_s`` for that, None: for ever."""
        hold = self._held()
        if not is_readable(hold, timeout_s):
            return False
        hold.settle()
        return True

    def alive(self) -> bool:
        return not self.wait(0)

    def send(self, signum: signal.Signals) -> None:
        """Signal the runner, which may serve another run by now."""
        self._held().send(signum)

    def close(self) -> None:
        """Let go of the run, which goes on if it hasn't ended."""
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.release()

    def _held(self) -> Hold:
        if self._hold is None:
            raise ValueError(f"{self!r} is closed")
        return self._hold

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def is_readable(source: Hold, timeout_s: float | None = None) -> bool:
    """Whether ``source`` can be read from, or is at its end; waits up to ``timeout_s``, None: for ever."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


def find_group(run_dir: Path) -> Group | None:
    """The control group of the run in ``run_dir``, if it has one that still stands."""
    try:
        path = Path(os.fsdecode((run_dir / layout.GROUP).read_bytes()).rstrip("\n"))
    except FileNotFoundError:
        return None
    # A job can write into that folder. Whatever stands there, only a group that is made for it is touched.
    return Group(str(path)) if path.name == name_group(run_dir) and path.is_dir() else None


class _Stranger:
    """A hold on a runner whose daemon is gone, so that it ends with its run."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError."""
        self._pidfd = os.pidfd_open(pid)

    def fileno(self) -> int:
        return self._pidfd

    def settle(self) -> None:
        """A pidfd is readable only when the process is gone."""

    def send(self, signum: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(self._pidfd, signum)
        except ProcessLookupError:
            return

    def release(self) -> None:
        os.close(self._pidfd)


def is_of_this_boot(run_dir: Path) -> bool:
    """Whether the run was started since the machine was. Raises OSError if that can't be read."""
    started = read_started(run_dir)
    return started is not None and started.boot_id == procfs.read_boot_id()


def adopt(run_dir: Path) -> Run | None:
    """Take hold of a run whose daemon is gone; None if it has ended, or there never was one.

    A runner is known by pid, start time and boot, so a later process with its pid is never taken for it. The
    run of a daemon that lives can be adopted too, to look at it or to stop it, but its end isn't seen: its
    runner then waits for the next one.
    """
    started = read_started(run_dir)
    if started is None or started.boot_id != procfs.read_boot_id():
        return None
    try:
        hold = _Stranger(started.runner_pid)
    except ProcessLookupError:
        return None
    run = Run(Path(os.path.abspath(run_dir)), started, hold)
    # RACE: the pid may be recycled at any time, so look at it only after the handle is open. If the start
    # time fits then, the handle means that runner and goes on meaning it. A runner that has written a record
    # may attend to another run.
    process = procfs.look(started.runner_pid)
    if process and process.start == started.runner_start and run.alive() and read_exit(run_dir) is None:
        return run
    run.close()
    return None

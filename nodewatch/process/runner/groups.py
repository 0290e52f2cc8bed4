"""A run's own control group: made, filled, asked what it used, emptied, removed.

The files are those of cgroup v2, see Documentation/admin-guide/cgroup-v2.rst of Linux. Which of them are
there depends on the kernel and on the controllers that were delegated; what isn't there is done without.
"""

from __future__ import annotations

import errno
import os
import signal
import time

from . import procfs

_SOONEST_S, _LATEST_S = 0.001, 1.0  # between two tries to remove a group
_PERIOD_US = 100_000


class Group:
    """The group at ``path``; who fills it belongs to the one at ``home``."""

    def __init__(self, path: str, home: str = "") -> None:
        self.path = path
        self._home = home

    def make(self) -> None:
        """Raises OSError. One that a run left which was never started is as good as new."""
        try:
            os.mkdir(self.path)
        except FileExistsError:
            return

    def enter(self) -> None:
        """Move this process into it, with no other thread. Raises OSError."""
        _write(f"{self.path}/cgroup.procs", "0")

    def leave(self) -> None:
        """Move this process to where it belongs. Raises OSError."""
        _write(f"{self._home}/cgroup.procs", "0")

    def bind(self, cpus: list[int] | None) -> None:
        """Keep it to these logical CPUs, or at least to their number of CPU seconds a second."""
        if cpus and not self._try("cpuset.cpus", ",".join(map(str, cpus))):
            self._try("cpu.max", f"{len(cpus) * _PERIOD_US} {_PERIOD_US}")

    def cap(self, memory_bytes: int | None, pids: int | None) -> None:
        """Limit memory and tasks, also of what runs in it already. Not while this process is in it."""
        if pids is not None:
            self._try("pids.max", str(pids))
        if memory_bytes is not None:
            # All of the job or nothing: half a job computes nonsense, or waits for its other half.
            self._try("memory.oom.group", "1")
            self._try("memory.swap.max", "0")
            self._try("memory.max", str(memory_bytes))

    def caps_memory(self, memory_bytes: int) -> bool:
        """Whether the kernel sees to this limit now."""
        text = self._read("memory.max").strip()
        return text.isdecimal() and int(text) <= memory_bytes

    def pids(self) -> list[int]:
        """Of all processes in it and in the groups below it, zombies not among them."""
        found: list[int] = []
        for folder in self._folders():
            found += map(int, _read(f"{folder}/cgroup.procs").split())
        return found

    def kill(self) -> bool:
        """SIGKILL to all at one instant, which no fork slips through; False if this kernel can't."""
        return self._try("cgroup.kill", "1")

    def freeze(self, frozen: bool) -> bool:
        """Ask for it; False if this kernel can't."""
        return self._try("cgroup.freeze", str(int(frozen)))

    def is_frozen(self) -> bool:
        return self._counts("cgroup.events").get("frozen") == 1

    def populated(self) -> bool:
        return self._counts("cgroup.events").get("populated") == 1

    def cpu_s(self) -> tuple[float, float] | None:
        """User and system seconds of all that ever ran in it; None if that isn't counted."""
        counts = self._counts("cpu.stat")
        user, system = counts.get("user_usec"), counts.get("system_usec")
        return None if user is None or system is None else (user / 1e6, system / 1e6)

    def memory_bytes(self) -> int | None:
        """What it holds now, cached files among it; None if that isn't counted."""
        return self._number("memory.current")

    def peak_memory_bytes(self) -> int | None:
        """The most that it ever held; None if that isn't counted (Linux before 5.19)."""
        return self._number("memory.peak")

    def oom_kills(self) -> tuple[int, bool]:
        """How often the kernel ended a process for want of memory, and whether this limit was the reason."""
        counts = self._counts("memory.events")
        return counts.get("oom_kill", 0), bool(counts.get("oom"))

    def transferred_bytes(self) -> tuple[int, int] | None:
        """Read from and written to block devices so far; None if that isn't counted."""
        if not os.path.exists(f"{self.path}/io.stat"):
            return None
        pairs = [word.partition("=") for word in self._read("io.stat").split()]
        read, written = (
            [int(value) for key, _, value in pairs if key == kind] for kind in ("rbytes", "wbytes")
        )
        return sum(read), sum(written)

    def clear(self) -> None:
        """End whatever is in it, and remove it; returns when that is done.

        A process in an uninterruptible wait holds it up: its memory and its files are still in use.
        """
        wait_s = _SOONEST_S
        while self.populated():
            if not self.kill():
                for process in filter(None, map(procfs.look, self.pids())):
                    procfs.send(process, signal.SIGKILL)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LATEST_S)
        self.remove()

    def remove(self) -> None:
        """If it is empty; whoever looks into it at this moment keeps the folder, and no more."""
        try:
            # Most jobs make no groups of their own.
            os.rmdir(self.path)
            return
        except OSError as trouble:
            if trouble.errno == errno.ENOENT:
                return
        for folder in reversed(self._folders()):
            try:
                os.rmdir(folder)
            except OSError as trouble:
                if trouble.errno not in (errno.ENOENT, errno.EBUSY):
                    raise

    def _folders(self) -> list[str]:
        """Itself and the groups below it, from the top."""
        return [folder for folder, _, _ in os.walk(self.path)]

    def _try(self, name: str, text: str) -> bool:
        try:
            _write(f"{self.path}/{name}", text)
        except OSError:
            return False
        return True

    def _read(self, name: str) -> str:
        return _read(f"{self.path}/{name}")

    def _number(self, name: str) -> int | None:
        text = self._read(name).strip()
        return int(text) if text.isdecimal() else None

    def _counts(self, name: str) -> dict[str, int]:
        """A file with a line ``KEY NUMBER`` for each count; none if there is no such file."""
        lines = (line.partition(" ") for line in self._read(name).splitlines())
        return {key: int(number) for key, _, number in lines if number.isdecimal()}


def _read(path: str) -> str:
    """Empty if there is no such file (any more)."""
    try:
        with open(path, "rb") as file:
            return file.read().decode()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)

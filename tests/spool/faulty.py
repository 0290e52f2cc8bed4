"""A kernel whose n-th call fails, lies or is the last one of its process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from spoold.calls import Kernel
from spoold.faults import TRIES
from tests.spool.lab import Crash

T = TypeVar("T")

USER = "user"
#: Another actor that has no faults, and a node's own disk, on which calls are told and not made.
RIVAL, LOCAL = "rival", "local"
READS = frozenset({"listdir", "read", "stat"})
#: On NFS, what was written may find no space as late as when it is flushed or closed.
_ALLOCATING = frozenset(
    {"open_new", "open_private", "open_end", "mkdir", "rename", "replace", "link", "write", "sync", "close"}
)
#: Whatever it says, the descriptor is closed.
_ALWAYS_DONE = frozenset({"close"})
_LIES = {
    "rename": (errno.ENOENT, errno.EIO),
    "replace": (errno.ENOENT, errno.EIO),
    "unlink": (errno.ENOENT,),
    "rmdir": (errno.ENOENT,),
    "mkdir": (errno.EEXIST,),
    "link": (errno.EEXIST,),
    "open_new": (errno.EEXIST,),
    # A file that was written in part when the disk was full.
    "write": (errno.EDQUOT,),
}


@dataclass(frozen=True)
class Fault:
    """What becomes of a call: ``number`` is the error that is reported, None is the death of the process.

    ``done`` tells whether the call did its work nevertheless; ``times`` how often it fails in a row.
    """

    number: int | None
    done: bool = False
    times: int = 1

    def __str__(self) -> str:
        name = "killed" if self.number is None else errno.errorcode[self.number]
        return f"{name}{' although done' if self.done else ''}{f' {self.times} times' * (self.times > 1)}"


KILLED_BEFORE, KILLED_AFTER = Fault(None), Fault(None, done=True)


@dataclass(frozen=True)
class Call:
    """A call as it was made: by which process, which one, on what; ``detail`` is what was written, or a mode."""

    actor: str
    name: str
    paths: tuple[Path, ...]
    detail: bytes | int = 0

    def faults(self) -> list[Fault]:
        """Everything that may become of it, but for a death before it: that is one after the call before."""
        if self.actor in (USER, RIVAL, LOCAL):
            return []
        done = self.name in _ALWAYS_DONE
        failing = [Fault(errno.EIO, done, TRIES), Fault(errno.ESTALE, done)]
        if self.name in READS:
            return failing
        full = [Fault(errno.ENOSPC, done), Fault(errno.EDQUOT, done)] if self.name in _ALLOCATING else []
        lies = [Fault(number, done=True) for number in _LIES.get(self.name, ())]
        return [KILLED_AFTER, *failing, *full, *lies]


@dataclass
class Plan:
    """Records every call of a spool's processes; call ``at`` has ``fault``."""

    at: int = 0
    fault: Fault = KILLED_BEFORE
    calls: list[Call] = field(default_factory=list)
    _failing: Call | None = None
    _left: int = 0

    @property
    def struck(self) -> bool:
        return self._failing is not None

    def next_call(self, call: Call) -> Fault | None:
        self.calls.append(call)
        if len(self.calls) == self.at:
            self._failing, self._left = call, self.fault.times
        if self._left and call == self._failing:
            self._left -= 1
            return self.fault
        return None


class FaultyKernel(Kernel):
    """The real kernel of one process, but for what ``plan`` says. ``sync`` costs nothing here."""

    def __init__(self, plan: Plan, actor: str) -> None:
        self._plan, self._actor = plan, actor
        self._opened: dict[int, Path] = {}
        self.dead = False

    def _do(self, name: str, act: Callable[[], T], *paths: Path, detail: bytes | int = 0) -> T:
        if self.dead:
            raise Crash
        fault = self._plan.next_call(Call(self._actor, name, paths, detail))
        if fault is None:
            return act()
        if fault.done:
            act()
        if fault.number is None:
            self.dead = True
            raise Crash
        raise OSError(fault.number, os.strerror(fault.number), str(paths[-1]))

    def listdir(self, folder: Path) -> list[str]:
        return self._do("listdir", lambda: super(FaultyKernel, self).listdir(folder), folder)

    def read(self, path: Path) -> bytes:
        return self._do("read", lambda: super(FaultyKernel, self).read(path), path)

    def stat(self, path: Path) -> os.stat_result:
        return self._do("stat", lambda: super(FaultyKernel, self).stat(path), path)

    def open_new(self, path: Path, mode: int) -> int:
        def act() -> int:
            return self._open(super(FaultyKernel, self).open_new(path, mode), path)

        return self._do("open_new", act, path, detail=mode)

    def open_private(self, path: Path, mode: int) -> int:
        def act() -> int:
            return self._open(super(FaultyKernel, self).open_private(path, mode), path)

        return self._do("open_private", act, path, detail=mode)

    def open_end(self, path: Path) -> int:
        return self._do("open_end", lambda: self._open(super(FaultyKernel, self).open_end(path), path), path)

    def _open(self, fd: int, path: Path) -> int:
        self._opened[fd] = path
        return fd

    def write(self, fd: int, data: bytes) -> None:
        self._do("write", lambda: super(FaultyKernel, self).write(fd, data), self._opened[fd], detail=data)

    def close(self, fd: int) -> None:
        path = self._opened.pop(fd)
        self._do("close", lambda: super(FaultyKernel, self).close(fd), path)

    def mkdir(self, path: Path) -> None:
        self._do("mkdir", lambda: super(FaultyKernel, self).mkdir(path), path)

    def chmod(self, path: Path, mode: int) -> None:
        self._do("chmod", lambda: super(FaultyKernel, self).chmod(path, mode), path, detail=mode)

    def rename(self, source: Path, target: Path) -> None:
        self._do("rename", lambda: super(FaultyKernel, self).rename(source, target), source, target)

    def replace(self, source: Path, target: Path) -> None:
        self._do("replace", lambda: super(FaultyKernel, self).replace(source, target), source, target)

    def link(self, source: Path, target: Path) -> None:
        self._do("link", lambda: super(FaultyKernel, self).link(source, target), source, target)

    def unlink(self, path: Path) -> None:
        self._do("unlink", lambda: super(FaultyKernel, self).unlink(path), path)

    def rmdir(self, folder: Path) -> None:
        self._do("rmdir", lambda: super(FaultyKernel, self).rmdir(folder), folder)

    def remove_private(self, path: Path) -> None:
        self._do("remove_private", lambda: super(FaultyKernel, self).remove_private(path), path)

    def utime(self, folder: Path) -> None:
        self._do("utime", lambda: super(FaultyKernel, self).utime(folder), folder)

    def sync(self, folder: Path) -> None:
        self._do("sync", lambda: None, folder)

    def abandon(self) -> None:
        """What the death of a process does: its descriptors are closed."""
        while self._opened:
            super().close(self._opened.popitem()[0])

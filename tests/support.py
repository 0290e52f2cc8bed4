"""What every test may need: waiting on a predicate, and showing the last state when it never came."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")


def wait_until(look: Callable[[], T], within_s: float = 20.0, every_s: float = 0.02, what: str = "") -> T:
    """Poll ``look`` until it returns something true, and return that.

    Raises AssertionError with the last value seen after ``within_s`` seconds.
    """
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or look}; last seen: {seen!r}")
        time.sleep(every_s)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Files that are made meanwhile lack the permissions in ``mask``."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def find_runs(folder: Path) -> list[tuple[int, str]]:
    """(pid, command line) of all processes that carry the mark of a run below ``folder``."""
    mark = b"DISTRIBUTE_RUN=" + os.fsencode(folder)
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            environ, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # gone, or another user's; kernel threads show nothing, even to root
        if mark in environ:
            found.append((int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")))
    return found


def left_behind(folder: Path, but: Collection[int] = ()) -> list[str]:
    """The processes that work in ``folder``, without this one and those whose pid is in ``but``."""
    return [words for pid, words in _working_in(folder).items() if pid not in but]


def _working_in(folder: Path) -> dict[int, str]:
    """Command line and working folder of each process but this one that has ``folder`` in either."""
    found = {}
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
        if str(folder) in words and process.pid != os.getpid():
            found[process.pid] = words
    return found


def end_all_in(folder: Path) -> None:
    """SIGKILL to every process that works in ``folder``, daemons first, whose jobs would else be run again."""
    for look in (_working_in, _running_in):
        for pid in look(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _running_in(folder: Path) -> list[int]:
    return [pid for pid, _ in find_runs(folder)]

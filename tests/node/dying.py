"""Runs a daemon that kills itself at a chosen step on the spool's disk: ``dying.py POINT PROGRAM ARGUMENTS``.

A point is ``WHEN OPERATION TEXT [NUMBER]``: before, amid or after the first such operation of ``FileOps``, or
that NUMBER, with TEXT in its last path; or at its end, if TEXT ends with ``$``. Amid is where half of the first
piece of a file was written. WHEN may also be ``freeze``: then it stands still before it, until somebody sends
SIGCONT. ``record FILE`` lets it live, and writes each operation and its last path there, a line each.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from spoold import calls
from spoold.fsops import FileOps

WriteAll = Callable[[int, bytes], None]


def die_at(when: str, operation: str, text: str, number: str = "1") -> None:
    """Make this process die there."""
    numbers, mutex = count(1), threading.Lock()

    def arrived(doing: str, path: str) -> bool:
        if doing != operation or not (path.endswith(text[:-1]) if text.endswith("$") else text in path):
            return False
        with mutex:
            return next(numbers) == int(number)

    @contextmanager
    def step(self: FileOps, doing: str, *paths: Path) -> Iterator[None]:
        here = arrived(doing, str(paths[-1]))
        if here and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if here and when == "freeze":
            # To this thread, which then doesn't go on for another moment.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        if here and when == "amid":
            calls.write_all = _half_written_by(threading.get_ident(), calls.write_all)
        yield
        if here and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    FileOps.step = step  # type: ignore[method-assign]


def record(file: str) -> None:
    """Write down what this process does."""
    output = open(file, "w", buffering=1)  # noqa: SIM115 - until the process ends

    @contextmanager
    def step(self: FileOps, doing: str, *paths: Path) -> Iterator[None]:
        output.write(f"{doing} {paths[-1]}\n")
        yield

    FileOps.step = step  # type: ignore[method-assign]


def _half_written_by(thread: int, write_all: WriteAll) -> WriteAll:
    """``write_all`` that dies when that thread calls it; others may be writing too."""

    def write(fd: int, data: bytes) -> None:
        if threading.get_ident() != thread:
            write_all(fd, data)
            return
        os.write(fd, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    return write


if __name__ == "__main__":
    what, *arguments = sys.argv[1].split()
    record(*arguments) if what == "record" else die_at(what, *arguments)
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")

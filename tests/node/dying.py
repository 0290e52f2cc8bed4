"""Runs a daemon that kills itself at a chosen step on the spool's disk: ``dying.py POINT PROGRAM ARGUMENTS``.

A point is ``WHEN OPERATION TEXT``: before, amid or after the first such operation of ``FileOps`` with TEXT in
its last path. Amid is where half of the first piece of a file was written. WHEN may also be ``freeze``: then it
stands still before the first one, until somebody sends SIGCONT.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spoold import calls
from spoold.fsops import FileOps


def die_at(when: str, operation: str, text: str) -> None:
    """Make this process die there."""

    frozen = threading.Event()

    @contextmanager
    def step(self: FileOps, doing: str, *paths: Path) -> Iterator[None]:
        here = doing == operation and text in str(paths[-1])
        if here and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if here and when == "freeze" and not frozen.is_set():
            frozen.set()
            # To this thread, which then doesn't go on for another moment.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        if here and when == "amid":
            calls.write_all = _write_half
        yield
        if here and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    FileOps.step = step  # type: ignore[method-assign]


def _write_half(fd: int, data: bytes) -> None:
    os.write(fd, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_at(*sys.argv[1].split())
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")

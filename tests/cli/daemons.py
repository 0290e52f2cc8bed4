"""A real steward beside the commands under test, and real commands in processes of their own."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from spoold.daemon import StewardLoop
from spoold.spool import Spool
from tests.support import wait_until


@contextmanager
def steward(spool: Spool) -> Iterator[None]:
    """Somebody admits drops and closes batches meanwhile."""
    stop, wake = Event(), Event()
    loop = StewardLoop(spool, stop, wake)
    thread = Thread(target=loop.run, name="steward")
    thread.start()
    try:
        wait_until(lambda: loop.holding, what="the steward's office")
        yield
    finally:
        stop.set()
        wake.set()
        thread.join()


@contextmanager
def started(spool: Spool, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`distribute WORDS` in a process of its own; gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distribute_cli", *map(str, words)],
        env={**os.environ, "DISTRIBUTE_SPOOL": str(spool.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


_ON_A_TERMINAL = "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


@dataclass
class Terminal:
    """A real terminal with a command in it, as a person has one."""

    process: subprocess.Popen[bytes]
    _master: int
    shown: str = ""

    def read_until(self, wanted: str) -> None:
        """Read what appears until ``wanted`` does. Raises AssertionError after 20 seconds without anything."""
        while wanted not in self.shown:
            ready, _, _ = select.select([self._master], [], [], 20.0)
            assert ready, f"{wanted!r} doesn't appear; shown is {self.shown!r}"
            self.shown += os.read(self._master, 65536).decode(errors="replace")

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        """Close the window: the kernel sends a SIGHUP to the command. May be called twice."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


@contextmanager
def on_terminal(spool: Spool, *words: str | Path) -> Iterator[Terminal]:
    """`distribute WORDS` in a terminal of its own; gone at the end."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_A_TERMINAL, "-m", "distribute_cli", *map(str, words)],
        stdin=slave,
        env={**os.environ, "DISTRIBUTE_SPOOL": str(spool.root), "TERM": "xterm"},
    )
    os.close(slave)
    terminal = Terminal(process, master)
    try:
        yield terminal
    finally:
        terminal.close()
        process.kill()
        process.wait()


def end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    """Send a signal; the exit code, standard output and standard error."""
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def cpu_s(*words: str) -> float:
    """CPU seconds of `python WORDS`, which has to succeed."""
    before = os.times()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def cpu_bare_s() -> float:
    """What no command here can do without: Python and click."""
    return cpu_s("-c", "import click")

"""Running a program that may hang, or print for ever."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event

_LOOK_EVERY_S = 0.1
_PIECE_BYTES = 65536
_TAIL_BYTES = 16384


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its exit code (negative: the signal), and the end of what it printed.

    ``late`` is set where it was ended because its time was over, ``stopped`` where somebody wanted that.
    """

    code: int
    output: bytes
    late: bool = False
    stopped: bool = False


def run_program(
    argv: Sequence[str],
    given: bytes,
    limit_s: float,
    stop: Event,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run it in ``/`` and in a session of its own, with ``given`` on standard input, for at most ``limit_s``.

    It has our environment unless it gets one. When ``stop`` is set it is ended at once, with what it has
    started. Raises OSError where it can't start.
    """
    with tempfile.TemporaryFile() as source:
        source.write(given)
        source.seek(0)
        process = subprocess.Popen(
            argv,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    with process:
        try:
            return _await_end(process, limit_s, stop)
        except BaseException:
            # Ctrl-C, for one: it reaches only us.
            _kill(process)
            raise


def _await_end(process: subprocess.Popen[bytes], limit_s: float, stop: Event) -> Ended:
    assert process.stdout is not None
    output = _Tail(process.stdout.fileno())
    deadline_s = time.monotonic() + limit_s
    while process.poll() is None:
        if stop.is_set() or time.monotonic() > deadline_s:
            _kill(process)
            return Ended(process.wait(), output.read(), not stop.is_set(), stop.is_set())
        output.await_more(stop)
    return Ended(process.returncode, output.read())


class _Tail:
    """The end of what comes through a pipe, whoever holds its other end open."""

    def __init__(self, fd: int) -> None:
        self._fd, self._tail = fd, b""
        self._open = True
        os.set_blocking(fd, False)

    def await_more(self, stop: Event) -> None:
        """Wait a little, less if something comes."""
        if not self._open:
            stop.wait(_LOOK_EVERY_S)
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            if selector.select(_LOOK_EVERY_S):
                self._take()

    def read(self) -> bytes:
        """All that is there now, as far as it is kept."""
        # A program that it left behind may print without end.
        for _ in range(_TAIL_BYTES // _PIECE_BYTES + 2):
            if not self._open or not self._take():
                break
        return self._tail

    def _take(self) -> bool:
        try:
            piece = os.read(self._fd, _PIECE_BYTES)
        except BlockingIOError:
            return False
        self._open = bool(piece)
        self._tail = (self._tail + piece)[-_TAIL_BYTES:]
        return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """It leads its own process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # RACE: it has ended by itself.
        return

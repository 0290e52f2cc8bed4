"""Ending in good order when Ctrl-C, a time limit or the terminal ends us."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Any, NoReturn

_ENDED_BY_SIGNAL = 128
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_on_signals() -> None:
    """SIGTERM and SIGHUP raise SystemExit from now on, as Ctrl-C raises KeyboardInterrupt."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(_ENDED_BY_SIGNAL + number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)


class Interrupts:
    """While entered, a signal that would end us is only noted; ``check`` raises it, where that does no harm.

    An exception out of nowhere could leave anything half done, a lock of a library for instance.
    """

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._note) for number in _ENDINGS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises KeyboardInterrupt or SystemExit if a signal came since it did so last."""
        number, self._number = self._number, 0
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if number:
            sys.exit(_ENDED_BY_SIGNAL + number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._number = number

"""What a daemon is told from outside: by signals, or by the end of whoever started it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from threading import Event, Thread

_log = logging.getLogger(__name__)

_PIECE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Orders:
    """What a daemon is told from outside; ``wake`` ends its waiting."""

    stop: Event
    requeue: Event
    wake: Event

    def end(self, requeue: bool = False) -> None:
        """The daemon ends; with ``requeue`` it gives its jobs back."""
        if requeue:
            self.requeue.set()
        self.stop.set()
        self.wake.set()


def end_with_input(handle: int, orders: Orders) -> None:
    """End, and give the jobs back, as soon as everybody who could write to the pipe ``handle`` is gone."""

    def watch() -> None:
        try:
            while os.read(handle, _PIECE_BYTES):
                continue
        except OSError as error:
            _log.error("standard input: %s", error)
        _log.info("standard input is closed: ending, with what runs here")
        orders.end(requeue=True)

    Thread(target=watch, name="leash", daemon=True).start()

"""Looking again and again until something is so."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FOR_EVER_S = math.inf

#: Several listings a look: quick enough for people, cheap enough for a file server.
LOOK_EVERY_S = 0.5


def poll(look: Callable[[], T | None], within_s: float, every_s: float = LOOK_EVERY_S) -> T | None:
    """What ``look`` returns as soon as that isn't None; None after ``within_s`` seconds.

    ``look`` is called at least once. Ctrl-C ends it at once.
    """
    never = threading.Event()
    deadline_s = time.monotonic() + within_s
    while True:
        seen = look()
        left_s = deadline_s - time.monotonic()
        if seen is not None or left_s <= 0:
            return seen
        never.wait(min(every_s, left_s))

"""When a daemon ends by itself: there has been nothing to do for long enough."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from distribute_compute_config.quantities import format_duration

_log = logging.getLogger(__name__)


class IdleExit:
    """Says when a daemon that ends after ``after_s`` idle seconds shall end.

    ``needed``: whether there is anything left that this node could be for. ``lock_door`` keeps others from
    starting a node here until this process is gone, and says whether it could: somebody may just be
    submitting; ``unlock_door`` takes that back. See ``spoold.local_node``.
    """

    def __init__(
        self,
        after_s: float,
        needed: Callable[[], bool],
        lock_door: Callable[[], bool],
        unlock_door: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after_s, self._needed, self._clock = after_s, needed, clock
        self._lock_door, self._unlock_door = lock_door, unlock_door
        self._since_s = clock()

    def is_due(self) -> bool:
        """Whether to end now; then the door is locked. Raises OSError: then nothing is known.

        RACE: who submits does so before it asks, at the door, whether a node lives. So what came before the
        door was locked is seen by the second look, and who comes later waits until this process is gone.
        """
        if self._needed():
            self._since_s = self._clock()
            return False
        if self._clock() - self._since_s < self._after_s:
            return False
        if not self._lock_door():
            self._since_s = self._clock()
            return False
        due = False
        try:
            due = not self._needed()
        finally:
            if not due:
                self._unlock_door()
        if due:
            _log.info("nothing to do for %s: ending", format_duration(self._after_s))
        return due

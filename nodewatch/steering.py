"""One run of this node: let it stand still, let it go on, or end it so that another node can do its job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from nodewatch.evicting import Checkpoint, Eviction, note_eviction, read_eviction
from nodewatch.process import Limits, Run, pause, resume, signal_catchers, stop
from nodewatch.timekeeping import TimeKeeper

_log = logging.getLogger(__name__)


class SteeredRun:
    """A run, and what was done to it; also by daemons before this one, as its folder says.

    ``stopped``: whether its processes may be. Used by one thread at a time.
    """

    def __init__(
        self, run: Run, limits: Limits, checkpoint: Checkpoint | None = None, stopped: bool = False
    ) -> None:
        """Raises OSError."""
        self.run = run
        self._checkpoint = checkpoint
        self._keeper = TimeKeeper(run, limits, time.monotonic())
        self._stopped = stopped or self._keeper.paused
        self._ending = False
        self._eviction: Eviction | None = read_eviction(run.run_dir)

    @property
    def paused_s(self) -> float:
        """Seconds for which it was paused so far; it never gets less."""
        return self._keeper.paused_s(time.monotonic())

    def overdue(self) -> str:
        """Why it must be ended, once its time is over; empty if it needn't."""
        return self._keeper.overdue(time.monotonic())

    @property
    def evicted(self) -> bool:
        """Whether its eviction has begun."""
        return self._eviction is not None

    def end(self, reason: str) -> None:
        """Tell it to end. No pause holds it up any more: it may save what it has."""
        self._ending = True
        stop(self.run, reason)

    def stand_still(self) -> None:
        """Unless it was told to end. Raises ProcessesRemain."""
        if self._ending:
            self.go_on()
            return
        # First: the next daemon must know of it, however soon this one dies.
        self._note(lambda: self._keeper.note(paused=True, now_s=time.monotonic()))
        self._stopped = True
        # Every time: a process that was being forked may have slipped through.
        pause(self.run)

    def go_on(self) -> None:
        """Raises ProcessesRemain."""
        if not self._stopped:
            return
        resume(self.run)
        self._stopped = False
        self._note(lambda: self._keeper.note(paused=False, now_s=time.monotonic()))

    def evict(self, reason: str) -> None:
        """Begin it, once; ``press_on`` does the rest.

        RACE: it is noted first. A daemon that dies in here leaves one that goes through with it.
        """
        self.go_on()
        grace_s = self._checkpoint.grace_s if self._checkpoint else 0.0
        self._eviction = eviction = Eviction(reason, _boot_s() + grace_s)
        self._note(lambda: note_eviction(self.run.run_dir, eviction))
        if self._checkpoint and not signal_catchers(self.run, self._checkpoint.signum):
            # Nothing in it would write a checkpoint.
            self._eviction = replace(eviction, ends_s=_boot_s())

    def press_on(self) -> None:
        """End a run whose time to write a checkpoint is over."""
        if self._eviction and _boot_s() >= self._eviction.ends_s:
            self.end(self._eviction.reason)

    def _note(self, note: Callable[[], None]) -> None:
        try:
            note()
        except OSError as error:
            # On a full disk too a pause is a pause.
            _log.warning("what was done to %s can't be noted: %s", self.run.run_dir, error)


def _boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)

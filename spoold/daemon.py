"""The steward's loop: hold the steward's lease, sweep, wait for a reason to sweep again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from threading import Event

from distribute_compute_config.errors import DistributeError
from spoold.leases import describe_holder, make_lease, read_mark, try_acquire
from spoold.notices.notifier import Notifier
from spoold.pacing import spacing_s
from spoold.spool import Spool
from spoold.steward import Steward
from spoold.watching import Watcher

_log = logging.getLogger(__name__)

#: A sweep takes at most this share of a steward's time, however large the spool.
_SHARE = 0.1
#: Nor does it rest for longer than so many rounds: somebody waits for what it admits.
_MOST_ROUNDS = 4
_SETTLING_S = 0.2
#: While there is no batch, the steward looks for one once in so many rounds: only another steward makes one.
_IDLE_ROUNDS = 4


class StewardLoop:
    """Runs in a thread of its own, or as the whole of the ``spoold`` daemon.

    ``on_work`` is called when jobs became pending. ``stop`` ends the loop; set ``wake``
    too to end it at once. ``notices``: whether it may tell people of batches that have ended.
    """

    def __init__(
        self,
        spool: Spool,
        stop: Event,
        wake: Event,
        on_work: Callable[[], None] | None = None,
        notices: bool = True,
    ) -> None:
        self._spool, self._stop, self._wake = spool, stop, wake
        self._on_work = on_work
        self._lease = make_lease(spool.layout.steward_lease, spool.settings, self._lost)
        self._steward = Steward(spool)
        self._notifier = Notifier(spool, notices)
        self._rounds, self._look_s = 0, 0.0
        self.holding = False
        self._mark: tuple[int, int] | None = None

    def run(self) -> None:
        """Until ``stop`` is set."""
        watcher = Watcher(self._wake)
        watcher.start([self._spool.layout.incoming])
        try:
            while not self._stop.is_set():
                longest_s = self._turn()
                self._notify()
                self._wait(longest_s)
        finally:
            watcher.close()
            self._notifier.close()
            self._give_up_office()

    def _turn(self) -> float:
        """One sweep, if this is the steward; returns how long to wait for the next, seconds."""
        started_s = time.monotonic()
        rescan_s = self._spool.settings.rescan_s
        try:
            if not self._in_office():
                return self._spool.settings.heartbeat_s
            if self._sweep() and self._on_work:
                self._on_work()
        except (OSError, DistributeError) as error:
            _log.error("sweep: %s", error)
        took_s = time.monotonic() - started_s
        if not self._steward.acted or took_s > rescan_s:
            # What it takes to do a little says nothing about how large the spool is.
            self._look_s = took_s
        if self._steward.expects_change:
            return spacing_s(_SETTLING_S, self._look_s, _SHARE, _MOST_ROUNDS * rescan_s)
        return spacing_s(rescan_s, self._look_s, _SHARE, _MOST_ROUNDS * rescan_s)

    def _notify(self) -> None:
        """Have people told what waits for that; it takes no time here, whatever a home server does."""
        closed, self._steward.closed = self._steward.closed, False
        try:
            self._notifier.look(self.holding, closed)
        except (OSError, DistributeError) as error:
            _log.error("notices: %s", error)

    @property
    def sees_no_batch(self) -> bool:
        """Whether this is the steward, and no batch had work when it looked last."""
        return self.holding and self._steward.idle

    def _sweep(self) -> bool:
        """A look at the drop box; at the rest each time, or once in a few times while there is nothing."""
        self._rounds += 1
        brief = self._steward.idle and self._rounds < _IDLE_ROUNDS
        admitted = brief and self._steward.admit_drops()
        if brief and not admitted:
            return False
        self._rounds = 0
        return self._steward.sweep() or admitted

    def _in_office(self) -> bool:
        if self.holding:
            return True
        if self._lease.is_locked:
            # Lost: until it is let go of, taking it again would only count.
            self._lease.release()
        if self._somebody_lives():
            return False
        self.holding = try_acquire(self._lease)
        if self.holding:
            _log.info("steward of %s", self._spool.root)
        elif _log.isEnabledFor(logging.DEBUG):
            # To ask takes several messages to a file server.
            _log.debug("the steward is %s", describe_holder(self._lease))
        return self.holding

    def _somebody_lives(self) -> bool:
        """Whether the lease was refreshed since our last look, which is far fewer messages than a try."""
        before, self._mark = self._mark, read_mark(self._spool.layout.steward_lease)
        return before is not None and self._mark is not None and before != self._mark

    def _wait(self, longest_s: float) -> None:
        # Jitter: many daemons that were started together shall not knock together.
        if self._wake.wait(longest_s * random.uniform(0.8, 1.0)):
            self._rounds = _IDLE_ROUNDS
        self._wake.clear()

    def _lost(self, compromise: object) -> None:
        _log.warning("no longer the steward: %s", compromise)
        self.holding = False

    def _give_up_office(self) -> None:
        self._steward.close()
        if self._lease.is_locked:
            self._lease.release()
        self.holding = False

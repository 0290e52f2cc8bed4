"""The node's lease on its own name: taken at the start, regained after it was lost.

While it stands, the node's jobs are left to it. Once it was lost they may have been given to others.
"""

from __future__ import annotations

import logging
import time
from threading import Event

from spoold.leases import LeaseHeld, describe_holder, make_lease, read_mark, try_acquire
from spoold.spool import Spool

_log = logging.getLogger(__name__)

_POLL_S = 0.2


class NodeLease:
    """``nodes/NAME/lease``. ``take`` and ``release`` once each, ``mend`` by one thread."""

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool, self._name = spool, name
        self._path = spool.layout.node(name).lease
        self._lease = make_lease(self._path, spool.settings, self._on_loss)
        self._lost = Event()
        self._regained = False

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def take(self, stop: Event) -> None:
        """Raises LeaseHeld if another daemon of this name lives, or ``stop`` is set before that is known."""
        settings = self._spool.settings
        deadline_s = time.monotonic() + settings.lease_s + settings.heartbeat_s
        first = None
        while not try_acquire(self._lease):
            mark = read_mark(self._path)
            if first is None:
                first = mark
                _log.warning("%s is held by %s; waiting", self._path, describe_holder(self._lease))
            if (mark and mark != first) or time.monotonic() > deadline_s:
                raise LeaseHeld(
                    f"node {self._name!r} runs already on {describe_holder(self._lease)}",
                    "every node of a spool has a name of its own",
                    "give this one another --name",
                )
            if stop.wait(_POLL_S):
                raise LeaseHeld(f"interrupted while {describe_holder(self._lease)} holds the lease")

    def mend(self) -> bool:
        """Try to regain a lost lease; True if it is ours again, and ``settle`` is due."""
        if not self.lost:
            return False
        if not self._regained:
            if self._lease.is_locked:
                self._lease.release()
            if not try_acquire(self._lease):
                return False
            self._regained = True
            _log.info("the lease is ours again")
        return True

    def settle(self) -> None:
        """What others did while the lease was lost has been dealt with: work goes on."""
        self._lost.clear()
        if not self._regained:
            # RACE: lost once more since `mend`.
            self._lost.set()
        self._regained = False

    def release(self) -> None:
        self._lease.release()

    def _on_loss(self, compromise: object) -> None:
        _log.error("this node's lease was lost: %s", compromise)
        self._regained = False
        self._lost.set()

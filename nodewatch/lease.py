"""The node's lease on its own name: taken at the start, regained after it was lost.

While it stands, the node's jobs are left to it. Once it was lost they may have been given to others, and
another daemon may have taken the name.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from filelock import OwnerRecord

from nodewatch.scratch import Scratch
from spoold.holders import is_nodes_own, publish_holder
from spoold.leases import LeaseHeld, LeaseWatch, describe_holder, make_lease, read_mark, try_acquire
from spoold.spool import Spool

_log = logging.getLogger(__name__)

_POLL_S = 0.2


class NodeLease:
    """``nodes/NAME/lease``. ``take`` and ``release`` once each, ``mend`` by one thread.

    That its last holder is gone is known at once only where the locked scratch folder has that holder's
    token. Neither a host's name nor a pid proves it: two machines may have one name.

    ``on_successor`` is told, once and by ``mend``, which other daemon lives under our name.
    """

    def __init__(
        self,
        spool: Spool,
        name: str,
        scratch: Scratch,
        on_successor: Callable[[str], None],
    ) -> None:
        self._spool, self._name, self._scratch, self._on_successor = spool, name, scratch, on_successor
        self._path = spool.layout.node(name).lease
        self._lease = make_lease(self._path, spool.settings, self._on_loss)
        self._watch = LeaseWatch(spool.settings.heartbeat_s)
        self._rival = _Rival(spool, name)
        self._lost = Event()
        self._regained = False
        self._looked_s = 0.0

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def is_ours(self) -> bool:
        """Whether nobody took it, by a look that is no older than a heartbeat.

        To be asked before anything that only the one holder of the name may do: a process that stood still
        hears of its loss from its own heartbeat only some time later.
        """
        if self.lost:
            return False
        # This clock goes on while the machine sleeps.
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        if now_s - self._looked_s > self._spool.settings.heartbeat_s:
            holder = self._lease.owner
            if holder is None or holder.token != self._lease.token:
                return False
            self._looked_s = now_s
        return True

    def take(self, stop: Event) -> None:
        """Raises LeaseHeld if another daemon of this name lives, or ``stop`` is set before that is known."""
        token = None
        while not self._try():
            holder = self._lease.owner
            if holder is not None and holder.token != token:
                token = holder.token
                _log.warning("%s is held by %s; waiting", self._path, describe_holder(self._lease))
            if self._rival.lives(holder):
                raise LeaseHeld(
                    f"node {self._name!r} runs already on {describe_holder(self._lease)}",
                    "every node of a spool has a name of its own",
                    "give this one another --name",
                )
            if stop.wait(_POLL_S):
                raise LeaseHeld(f"interrupted while {describe_holder(self._lease)} holds the lease")
        self._keep()

    def mend(self) -> bool:
        """Try to regain a lost lease; True if it is ours again, and ``settle`` is due."""
        if not self.lost:
            return False
        if not self._regained:
            if self._lease.is_locked:
                self._lease.release()
            if not self._try():
                self._look_for_successor()
                return False
            self._regained = True
            _log.info("the lease is ours again")
            self._keep()
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

    def _try(self) -> bool:
        """One try to get it: from nobody, from this folder's earlier daemon, or from who is silent."""
        holder = self._lease.owner
        if holder is not None:
            silent_s = self._watch.look(self._path, time.monotonic())
            gone = holder.token == self._scratch.last_lease()
            if not gone and silent_s < (holder.lease_duration or self._spool.settings.lease_s):
                return False
            # RACE: whoever was first to break it may hold it anew, and loses it then. No job is harmed.
            self._lease.break_lock()
        return try_acquire(self._lease)

    def _keep(self) -> None:
        """Say that this hold is a node's own, and remember it for the next daemon."""
        token = self._lease.token or ""
        self._scratch.keep_lease(token)
        publish_holder(self._spool, self._name, token)

    def _look_for_successor(self) -> None:
        holder = self._lease.owner
        if self._rival.lives(holder):
            self._on_successor(describe_holder(self._lease))

    def _on_loss(self, compromise: object) -> None:
        _log.error("this node's lease was lost: %s", compromise)
        self._regained = False
        self._lost.set()


class _Rival:
    """Tells whether a living daemon of our name holds the lease, and no steward that gives jobs back."""

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool, self._name = spool, name
        self._path = spool.layout.node(name).lease
        self._token: str | None = None
        self._mark: tuple[int, int] | None = None
        self._since_s = 0.0

    def lives(self, holder: OwnerRecord | None) -> bool:
        """Whether one that we saw before has refreshed the lease since."""
        now_s, mark = time.monotonic(), read_mark(self._path)
        if holder is None or mark is None or holder.token != self._token:
            self._token, self._mark, self._since_s = holder.token if holder else None, mark, now_s
            return False
        if mark == self._mark:
            return False
        settings = self._spool.settings
        # A daemon of an earlier version says nothing of its hold; but no sweep of a steward lasts so long.
        return is_nodes_own(self._spool, self._name, holder.token) or (
            now_s - self._since_s > settings.lease_s + settings.heartbeat_s
        )

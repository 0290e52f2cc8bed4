"""Keeping one bad node from eating a batch: where jobs fail in a row within seconds, no more are taken.

After ``IN_A_ROW`` such failures the node waits until it is known how the jobs fare on other nodes
that have some. If one ended well there, this node is in quarantine for the batch, until somebody lifts it
or nobody is left who takes the batch's jobs: then the jobs themselves may be bad, and this node goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import Lock

from spoold.codec import RecordError
from spoold.layout import BatchFolder
from spoold.node_records import Quarantine
from spoold.snapshot import read_state, read_status
from spoold.spool import Spool
from spoold.tickets import State

IN_A_ROW = 3
#: A job that fails later than this did some work first, so the node isn't to blame.
QUICK_S = 10.0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How a batch fares on other nodes: do they hold jobs of it; does one that did some well take more?"""

    busy: bool
    succeeded: bool


def look_elsewhere(
    spool: Spool, folder: BatchFolder, key: str, node: str, silent_s: Callable[[str], float]
) -> Elsewhere:
    """Three listings, and three looks at each node that did a job of the batch ``key`` well.

    ``silent_s`` is for how long a node's lease was seen unrefreshed.
    """

    def others(*states: State) -> set[str]:
        tickets = (ticket for state in states for ticket in read_state(spool, folder, state))
        return {ticket.node for ticket in tickets if ticket.node and ticket.node != node}

    busy = bool(others(State.CLAIMED, State.PUBLISHING))
    return Elsewhere(busy, any(_takes(spool, other, key, silent_s) for other in sorted(others(State.DONE))))


def _takes(spool: Spool, node: str, key: str, silent_s: Callable[[str], float]) -> bool:
    """Whether a node lives and takes jobs of the batch, as far as it says."""
    place = spool.layout.node(node)
    if place.lease.name not in spool.ops.names(place.path) or silent_s(node) >= spool.settings.lease_s:
        return False
    try:
        status = read_status(spool, node)
    except RecordError:
        # Nothing that can be read speaks against it.
        return True
    if status is None:
        return True
    # A pause ends by itself: a batch is rather kept waiting than eaten meanwhile.
    return not status.draining and all(f"{one.namespace}/{one.batch}" != key for one in status.quarantines)


class Quarantines:
    """The batches that this node keeps its hands off; by ``NAMESPACE/BATCH``. Any thread may call."""

    def __init__(self, known: Iterable[Quarantine]) -> None:
        self._lock = Lock()
        self._failures: dict[str, int] = {}
        self._standing = {f"{one.namespace}/{one.batch}": one for one in known}

    def note(self, key: str, failed: bool, wall_s: float) -> bool:
        """A job of the batch ended by itself; returns whether there were too many quick failures in a row."""
        with self._lock:
            quick = failed and wall_s < QUICK_S
            self._failures[key] = self._failures.get(key, 0) + 1 if quick else 0
            if self._failures[key] < IN_A_ROW:
                return False
            namespace, _, batch = key.partition("/")
            self._standing.setdefault(key, Quarantine(namespace, batch, time.time(), provisional=True))
            return True

    def admits(self, key: str, look: Callable[[], Elsewhere]) -> bool:
        """Whether jobs of the batch may be taken; ``look`` is called only if that depends on other nodes.

        Asked every time: where nodes fail one after the other, each was once better than another one.
        """
        with self._lock:
            standing = self._standing.get(key)
        if standing is None:
            return True
        elsewhere = look()
        with self._lock:
            # RACE: lifted while we looked.
            if key not in self._standing:
                return True
            if elsewhere.succeeded:
                self._standing[key] = replace(standing, provisional=False)
            elif not elsewhere.busy:
                # One more try: `note` is told how it ends, and three failures are in a row already.
                del self._standing[key]
                return True
            return False

    def lift(self) -> None:
        """Forget everything, on somebody's request."""
        with self._lock:
            self._failures.clear()
            self._standing.clear()

    def keep_only(self, keys: set[str]) -> None:
        """Forget the batches that have ended."""
        with self._lock:
            self._failures = {key: count for key, count in self._failures.items() if key in keys}
            self._standing = {key: one for key, one in self._standing.items() if key in keys}

    def standing(self) -> tuple[Quarantine, ...]:
        with self._lock:
            return tuple(self._standing[key] for key in sorted(self._standing))

"""What other nodes are at work on, so that namespaces get fair shares of all of them."""

from __future__ import annotations

from collections.abc import Mapping

from nodewatch.capacity import is_sharing
from spoold.codec import RecordError
from spoold.records import JobSpec
from spoold.snapshot import BatchRef, read_node, read_state
from spoold.spool import Spool
from spoold.tickets import State


class OtherNodes:
    """Remembers how many cores each has, so that this is asked once."""

    def __init__(self, spool: Spool, node: str) -> None:
        self._spool, self._node = spool, node
        self._cores_of: dict[str, int] = {}

    def count(self, ref: BatchRef, jobs: Mapping[str, JobSpec]) -> int:
        """Cores that work on ``jobs`` of a batch elsewhere. Raises OSError."""
        total = 0
        for ticket in read_state(self._spool, ref.folder, State.CLAIMED):
            if ticket.node and ticket.node != self._node and ticket.job in jobs:
                asked = jobs[ticket.job].resources
                total += asked.cores or (1 if is_sharing(asked) else self._cores(ticket.node))
        return total

    def _cores(self, node: str) -> int:
        if node not in self._cores_of:
            try:
                info = read_node(self._spool, node)
            except RecordError:
                info = None
            self._cores_of[node] = info.cores if info else 1
        return self._cores_of[node]

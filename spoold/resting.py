"""Jobs that rest after an error before they are tried again, timed on the observer's own clock."""

from __future__ import annotations

from collections.abc import Sequence

from spoold.snapshot import BatchRef
from spoold.spool import Spool
from spoold.tickets import Ticket

LONGEST_REST_S = 600.0


def rest_s(retry_wait_s: float, errors: int) -> float:
    """How long a job rests after its ``errors``-th error, counting from 1: twice as long each time. Pure."""
    return min(retry_wait_s * 2.0 ** (errors - 1), LONGEST_REST_S)


def count_kept(names: frozenset[str], ticket: Ticket) -> int:
    """The errors that a held ticket rests for, by the names in its batch's archive; 0 if it doesn't rest.

    An attempt whose job backs off is kept just before. One before a retry by hand has its job's own name.
    """
    if f"{ticket.job}~{ticket.attempt - 1}" not in names:
        return 0
    return sum(f"{ticket.job}~{earlier}" in names for earlier in range(1, ticket.attempt))


class Rests:
    """When each held ticket was seen first, and until when it rests; a new observer begins anew."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._until_s: dict[str, dict[Ticket, float]] = {}

    def look(self, ref: BatchRef, held: Sequence[Ticket], now_s: float) -> frozenset[Ticket]:
        """Those of the ``held`` tickets of a batch that must rest for longer; ``now_s`` is monotonic."""
        again = [ticket for ticket in held if ticket.attempt > 1]
        known = self._until_s.pop(ref.key, {})
        if not again:
            return frozenset()
        new = [ticket for ticket in again if ticket not in known]
        known |= self._learn(ref, new, now_s) if new else {}
        self._until_s[ref.key] = {ticket: known[ticket] for ticket in again}
        return frozenset(ticket for ticket in again if known[ticket] > now_s)

    def _learn(self, ref: BatchRef, new: Sequence[Ticket], now_s: float) -> dict[Ticket, float]:
        archived = self._spool.layout.archived_batch(ref.namespace, ref.batch)
        names = frozenset(self._spool.ops.names(archived))
        errors = {ticket: count_kept(names, ticket) for ticket in new}
        wait_s = self._spool.settings.retry_wait_s
        return {ticket: now_s + (rest_s(wait_s, count) if count else 0.0) for ticket, count in errors.items()}

    def forget_gone(self, keys: set[str]) -> None:
        """Only batches of ``keys`` have work."""
        self._until_s = {key: known for key, known in self._until_s.items() if key in keys}

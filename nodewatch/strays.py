"""Jobs that are claimed for this node and that it doesn't know of: nobody told it that its claim was done."""

from __future__ import annotations

import logging

from nodewatch.scratch import Scratch
from spoold.claims import give_back
from spoold.losses import Loss, LossCause, note_loss
from spoold.snapshot import BatchRef, read_state
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_log = logging.getLogger(__name__)


class Strays:
    """Looks for them now and then; to be called between two claims, by the thread that claims."""

    def __init__(self, spool: Spool, node: str, scratch: Scratch) -> None:
        self._spool, self._node, self._scratch = spool, node, scratch
        self._seen: set[tuple[str, Ticket]] = set()

    def look(self, batches: dict[str, BatchRef]) -> None:
        """Give back what has nothing on this disk, now and at the last look. Raises OSError or SpoolFull.

        RACE: an attempt's folder is removed when its ticket has moved on; between the two looks it has.
        """
        before, self._seen = self._seen, set()
        for ref in batches.values():
            for ticket in read_state(self._spool, ref.folder, State.CLAIMED):
                if ticket.node != self._node or self._stands(ref, ticket):
                    continue
                if (ref.key, ticket) in before:
                    self._give_back(ref, ticket)
                else:
                    self._seen.add((ref.key, ticket))

    def _stands(self, ref: BatchRef, ticket: Ticket) -> bool:
        return self._scratch.attempt(ref.namespace, ref.batch, ticket).path.exists()

    def _give_back(self, ref: BatchRef, ticket: Ticket) -> None:
        _log.warning("%s/%s: nobody here knows of it, given back", ref.key, ticket)
        reason = f"{self._node} didn't know that it had it"
        note_loss(self._spool, ref.folder, Loss(ticket, LossCause.RETURNED), reason)
        give_back(self._spool, ref.folder, ticket)

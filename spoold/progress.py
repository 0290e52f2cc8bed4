"""How far a batch is, as far as a listing tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from spoold.snapshot import find_batch, read_header, read_tickets
from spoold.spool import Spool
from spoold.tickets import TERMINAL, State

_LOOKS = 3


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How many jobs are in each state, by the newest ticket of each, and how many there are.

    ``finished``: the batch stands among those that have ended.
    """

    counts: Mapping[State, int]
    jobs_total: int
    finished: bool

    @property
    def ended(self) -> int:
        return sum(self.counts.get(state, 0) for state in TERMINAL)

    @property
    def closed(self) -> bool:
        """Whether it has ended and the listing shows that of every job."""
        return self.finished and self.ended == self.jobs_total


def read_progress(spool: Spool, namespace: str, batch: str) -> BatchProgress | None:
    """None if there is no such batch (any more)."""
    for _ in range(_LOOKS):
        ref = find_batch(spool, namespace, batch)
        header = read_header(spool, ref.folder) if ref else None
        if ref is None or header is None:
            # RACE: it was closed or reopened between two listings.
            continue
        latest = read_tickets(spool, ref.folder).latest()
        return BatchProgress(Counter(state for state, _ in latest.values()), header.jobs_total, ref.finished)
    return None

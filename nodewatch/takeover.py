"""A node that was thought dead comes back: its jobs were requeued, and perhaps nobody has begun them again.

Then it takes the next attempt, and goes on with the process that it never stopped or with the result that it
already has: nothing is thrown away.
"""

from __future__ import annotations

from nodewatch.attempts import AttemptFolder
from spoold.claims import claim
from spoold.snapshot import BatchRef, read_state
from spoold.spool import Spool
from spoold.tickets import State, Ticket


def take_over(spool: Spool, ref: BatchRef, ticket: Ticket, node: str, folder: AttemptFolder) -> Ticket | None:
    """Claim the attempt that came after ``ticket`` for what stands in ``folder``; None if somebody has it.

    Raises OSError or SpoolFull.
    """
    later = Ticket.parse(folder.attempt_name)
    # An earlier try ended with an error, which leaves open whether its claim was done.
    if later.attempt > ticket.attempt and (taken := claim(spool, ref.folder, later, node)):
        return taken
    for waiting in read_state(spool, ref.folder, State.PENDING):
        # Equal: an earlier daemon died between the two steps below.
        if waiting.job != ticket.job or waiting.attempt < ticket.attempt:
            continue
        # The folder first: the next daemon must know whose it is, wherever this one dies.
        folder.become(waiting)
        taken = claim(spool, ref.folder, waiting, node)
        if taken is None:
            folder.become(ticket)
        return taken
    return None

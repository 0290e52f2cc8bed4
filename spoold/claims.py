"""Taking a job, giving it back, giving it up: one rename each."""

from __future__ import annotations

from spoold.layout import BatchFolder
from spoold.spool import Spool
from spoold.tickets import State, Ticket


def claim(spool: Spool, folder: BatchFolder, ticket: Ticket, node: str) -> Ticket | None:
    """Take a pending job for ``node``; None if somebody else was first."""
    mine = ticket.held_by(node)
    taken = spool.ops.move(folder.ticket(State.PENDING, ticket), folder.ticket(State.CLAIMED, mine))
    return mine if taken else None


def give_back(spool: Spool, folder: BatchFolder, ticket: Ticket) -> Ticket | None:
    """Requeue a claimed job under its next attempt; None if it is no longer claimed so: fenced.

    Whether this or another actor gave it back makes no difference as long as nobody claims it again.
    """
    again = ticket.next_attempt()
    moved = spool.ops.move(folder.ticket(State.CLAIMED, ticket), folder.ticket(State.PENDING, again))
    return again if moved else None


def back_off(spool: Spool, folder: BatchFolder, ticket: Ticket) -> Ticket | None:
    """Have a claimed job tried again later: like ``give_back``, but the steward lets it rest before that."""
    again = ticket.next_attempt()
    moved = spool.ops.move(folder.ticket(State.CLAIMED, ticket), folder.ticket(State.HELD, again))
    return again if moved else None


def lose(spool: Spool, folder: BatchFolder, ticket: Ticket) -> bool:
    """Fail a job without a result; False if it is no longer claimed so. For who took its node's lease."""
    ended = Ticket(ticket.job, ticket.attempt)
    return spool.ops.move(folder.ticket(State.CLAIMED, ticket), folder.ticket(State.FAILED, ended))

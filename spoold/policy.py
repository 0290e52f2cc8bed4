"""What a steward should do about a batch: ``(view, nodes) → actions``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from spoold.awaiting import Standing
from spoold.losses import Loss, LossCause, judge_losses
from spoold.records import BatchHeader
from spoold.snapshot import Builds, Kills
from spoold.tickets import TERMINAL, State, Ticket

_ENDED_BADLY = frozenset({State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as its steward saw it.

    ``latest`` has the newest ticket of each job that was seen. ``depends`` has the dependencies of held
    jobs. ``stuck`` are tickets that lie in ``publishing/`` longer than their node needs. ``losses`` are read
    only where a node has lapsed. ``resting`` are held tickets that wait to be tried again, ``awaited`` the
    batches that held ones wait for.
    """

    header: BatchHeader
    latest: Mapping[str, tuple[State, Ticket]]
    builds: Builds = Builds()
    kills: Kills = Kills()
    depends: Mapping[str, tuple[str, ...]] | None = None
    stuck: frozenset[Ticket] = frozenset()
    losses: tuple[Loss, ...] = ()
    resting: frozenset[Ticket] = frozenset()
    awaited: Mapping[str, Standing] = field(default_factory=dict)

    def tickets(self, state: State) -> list[Ticket]:
        return [ticket for held, ticket in self.latest.values() if held is state]


@dataclass(frozen=True, slots=True)
class MoveTicket:
    """Rename a ticket that nobody holds."""

    source: State
    target: State
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Requeue a job of a node whose lease this steward took."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Lose:
    """Fail a job of a node whose lease this steward took: too many nodes were lost with it."""

    ticket: Ticket
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Do the rest for a published result."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Close:
    """Move the batch to ``finished/``."""


@dataclass(frozen=True, slots=True)
class ClearMark:
    """Remove the kill file ``name``, which has no effect and is in the way of one that has."""

    name: str


Action = MoveTicket | GiveBack | Lose | Finish | Close | ClearMark


def plan(view: BatchView, capable: frozenset[str], lapsed: frozenset[str]) -> list[Action]:
    """What to do now.

    ``capable`` are the live nodes that have the batch's capabilities; ``lapsed`` those whose expired lease
    this steward holds. A job whose ticket wasn't seen is left alone: it was moving.
    """
    if _all_ended(view):
        return [Close()]
    return [
        *_cancel(view),
        *_settle_held(view),
        *_give_up(view, capable),
        *(_reclaim(view, t) for t in view.tickets(State.CLAIMED) if t.node in lapsed),
        *(Finish(t) for t in view.tickets(State.PUBLISHING) if t in view.stuck),
        *map(ClearMark, sorted(view.kills.ineffective)),
    ]


def _all_ended(view: BatchView) -> bool:
    ended = sum(state in TERMINAL for state, _ in view.latest.values())
    return ended == view.header.jobs_total == len(view.latest)


def _cancel(view: BatchView) -> Iterator[Action]:
    for state in (State.HELD, State.PENDING):
        for ticket in view.tickets(state):
            if view.kills.hits(ticket.job):
                yield MoveTicket(state, State.CANCELLED, ticket)


def _settle_held(view: BatchView) -> Iterator[Action]:
    for ticket in view.tickets(State.HELD):
        if view.kills.hits(ticket.job) or view.depends is None:
            continue
        states = [view.latest[job][0] if job in view.latest else None for job in view.depends[ticket.job]]
        before = [view.awaited.get(key, Standing.UNFINISHED) for key in view.header.after]
        if any(state in _ENDED_BADLY for state in states) or Standing.FAILED in before:
            yield MoveTicket(State.HELD, State.CANCELLED, ticket)
        elif (
            all(state is State.DONE for state in states)
            and all(standing is Standing.DONE for standing in before)
            and ticket not in view.resting
        ):
            yield MoveTicket(State.HELD, State.PENDING, ticket)


def _reclaim(view: BatchView, ticket: Ticket) -> GiveBack | Lose:
    reason = judge_losses([*view.losses, Loss(ticket, LossCause.LOST)], ticket.job)
    return Lose(ticket, reason) if reason else GiveBack(ticket)


def _give_up(view: BatchView, capable: frozenset[str]) -> Iterator[Action]:
    """Fail what no node can build: every live, capable one tried."""
    if not view.builds.failed or not capable or capable - view.builds.failed:
        return
    for ticket in view.tickets(State.PENDING):
        if not view.kills.hits(ticket.job):
            yield MoveTicket(State.PENDING, State.FAILED, ticket)

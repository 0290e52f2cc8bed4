"""Tickets: where one lies is its job's state; its name says job, attempt and holder. Pure.

A ticket is an empty file in one of the seven state folders of a batch:

    held/JOB~ATTEMPT   pending/JOB~ATTEMPT   claimed/JOB~ATTEMPT@NODE   publishing/JOB~ATTEMPT@NODE
    done/JOB~ATTEMPT@NODE   failed/JOB~ATTEMPT[@NODE]   cancelled/JOB~ATTEMPT[@NODE]

Neither ``~`` nor ``@`` can occur in a name, so a ticket name is read without ambiguity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from distribute_compute_config.names import NAME_PATTERN


class State(Enum):
    """The state of a job; the value is the name of the folder that holds its ticket.

    The order is that of a job's life. Who lists the folders in this order can see a ticket twice while
    it moves on, but misses it only if it was given back in between.
    """

    HELD = "held"
    PENDING = "pending"
    CLAIMED = "claimed"
    PUBLISHING = "publishing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Move:
    """One legal rename of a ticket: what it does to the attempt and to the holder."""

    source: State
    target: State
    next_attempt: bool = False


#: Every legal rename of a ticket, by the step's name in ``spool-layout.md``.
MOVES = {
    "release": Move(State.HELD, State.PENDING),
    "claim": Move(State.PENDING, State.CLAIMED),
    "give back": Move(State.CLAIMED, State.PENDING, next_attempt=True),
    "back off": Move(State.CLAIMED, State.HELD, next_attempt=True),
    "lose": Move(State.CLAIMED, State.FAILED),
    "publish": Move(State.CLAIMED, State.PUBLISHING),
    "finish done": Move(State.PUBLISHING, State.DONE),
    "finish failed": Move(State.PUBLISHING, State.FAILED),
    "finish cancelled": Move(State.PUBLISHING, State.CANCELLED),
    "give up": Move(State.PENDING, State.FAILED),
    "cancel held": Move(State.HELD, State.CANCELLED),
    "cancel pending": Move(State.PENDING, State.CANCELLED),
    "retry failed": Move(State.FAILED, State.PENDING, next_attempt=True),
    "retry cancelled": Move(State.CANCELLED, State.PENDING, next_attempt=True),
    "hold failed": Move(State.FAILED, State.HELD, next_attempt=True),
    "hold cancelled": Move(State.CANCELLED, State.HELD, next_attempt=True),
}

_TICKET = re.compile(rf"({NAME_PATTERN})~([1-9][0-9]{{0,8}})(?:@({NAME_PATTERN}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """The name of a ticket: ``job`` and ``node`` are names, ``attempt`` counts from 1."""

    job: str
    attempt: int
    node: str | None = None

    def __str__(self) -> str:
        return f"{self.job}~{self.attempt}" + (f"@{self.node}" if self.node else "")

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Raises ValueError for anything that isn't a ticket's name."""
        match = _TICKET.fullmatch(text)
        if match is None:
            raise ValueError(f"not a ticket: {text!r}")
        return cls(match[1], int(match[2]), match[3])

    def held_by(self, node: str) -> Ticket:
        return replace(self, node=node)

    def next_attempt(self) -> Ticket:
        return Ticket(self.job, self.attempt + 1)

    @property
    def attempt_name(self) -> str:
        """``JOB~ATTEMPT``, the ticket without its holder."""
        return f"{self.job}~{self.attempt}"


def parse_tickets(names: list[str]) -> list[Ticket]:
    """The tickets among ``names``, in the order of their names; other names are left out."""
    return [Ticket(m[1], int(m[2]), m[3]) for name in sorted(names) if (m := _TICKET.fullmatch(name))]

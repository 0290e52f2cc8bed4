"""Attempts that ended through no fault of their job: counted by cause, until it looks like the job's own.

A loss is a mark in the batch's ``losses/``, made before the job is given back. There can be one although its
attempt went on: its node was thought dead and published at that moment. It does no harm, for the job has
ended or has another attempt, and ``retry`` clears the marks.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from spoold.codec import encode
from spoold.layout import BatchFolder
from spoold.records import LossRecord
from spoold.spool import Spool
from spoold.tickets import Ticket

#: A job that took so many nodes with it isn't tried on another one.
MOST_NODES = 3
#: Nor is one that was given back so often, for whatever reason.
MOST_LOSSES = 10


class LossCause(Enum):
    """Why an attempt was lost; the value is the suffix of its mark."""

    #: Its node died, or its processes were killed with their runner.
    LOST = "lost"
    #: Its node lives and couldn't go on with it: a full disk, an input that couldn't be fetched.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Loss:
    """One attempt, with the node that had it."""

    ticket: Ticket
    cause: LossCause


def read_losses(spool: Spool, folder: BatchFolder) -> list[Loss]:
    """All of a batch, by attempt; one listing."""
    found = filter(None, map(parse_loss, spool.ops.names(folder.losses)))
    return sorted(found, key=lambda loss: loss.ticket)


def parse_loss(name: str) -> Loss | None:
    """What a name in ``losses/`` says; None if it is no mark's. Pure."""
    ticket, _, cause = name.rpartition(".")
    try:
        return Loss(Ticket.parse(ticket), LossCause(cause))
    except ValueError:
        return None


def note_loss(spool: Spool, folder: BatchFolder, loss: Loss, reason: str) -> None:
    """Mark that an attempt is lost; do it before the job is given back. Raises SpoolFull or OSError."""
    spool.ops.replace(folder.loss(loss.ticket, loss.cause.value), encode(LossRecord(time.time(), reason)))


def judge_losses(losses: Iterable[Loss], job: str) -> str:
    """Why ``job`` isn't tried any more; empty if it is. Pure."""
    mine = [loss for loss in losses if loss.ticket.job == job]
    nodes = sorted({loss.ticket.node or "" for loss in mine if loss.cause is LossCause.LOST})
    if len(nodes) >= MOST_NODES:
        return f"it was lost with {len(nodes)} nodes: {', '.join(nodes)}"
    if len({loss.ticket.attempt for loss in mine}) >= MOST_LOSSES:
        return f"it was given back {MOST_LOSSES} times"
    return ""


def clear_losses(spool: Spool, folder: BatchFolder, jobs: set[str]) -> None:
    """Forget what was lost of these jobs: somebody decided that they are tried again."""
    for loss in read_losses(spool, folder):
        if loss.ticket.job in jobs:
            spool.ops.unlink(folder.loss(loss.ticket, loss.cause.value))

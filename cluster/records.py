"""What a queue tells of one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cluster.states import JobState

#: The reason that Slurm gives for a job that can never start, used for all queues.
NEVER_SATISFIED = "DependencyNeverSatisfied"

_SIGNAL_BASE = 128


class QueueTuple(NamedTuple):
    """What a queue parser yields for a job; fields as in ``QueueJob``."""

    job_id: str
    name: str
    userid: str
    partition: str
    state: JobState
    nodes: tuple[str, ...]
    numnodes: int | None
    threads: int | None
    exitcode: int | None


@dataclass(frozen=True, slots=True)
class QueueJob:
    """A job as its queue shows it; a task of an array is a job of its own.

    ``job_id`` is the queue's own form (``46``, ``46_3``, ``12.server``, ``9[3].server``), ``nodes`` the names
    of its nodes, ``numnodes`` how many, ``threads`` its processors on each. ``exitcode`` is None until the
    job has ended or if nobody knows it, and 128 plus a signal's number if that ended the job. ``reason``
    is the queue's own word on why a job waits or failed.
    """

    job_id: str
    name: str
    userid: str
    partition: str
    state: JobState
    nodes: tuple[str, ...] = ()
    numnodes: int | None = None
    threads: int | None = None
    exitcode: int | None = None
    reason: str = ""

    def as_tuple(self) -> QueueTuple:
        """The nine fields that a queue parser yields."""
        return QueueTuple(*(getattr(self, name) for name in QueueTuple._fields))


def join_exit(code: int, signal: int) -> int:
    """One number for how a process ended, as a shell has it."""
    return _SIGNAL_BASE + signal if signal else code

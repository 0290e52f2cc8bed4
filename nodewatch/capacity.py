"""What a node lends, what a job needs of it, and what it was given. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from spoold.records import JobSpec, Resources


@dataclass(frozen=True, slots=True)
class Capacity:
    """Numbers of cores and GPUs, memory in bytes."""

    cores: int
    memory_bytes: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """What one job needs. ``whole``: nobody else runs on the node meanwhile, and it gets all there is.

    ``time_s`` is the longest that it runs, if that is known. No ``memory_bytes`` given counts as none.
    """

    cores: int
    memory_bytes: int = 0
    gpus: int = 0
    whole: bool = False
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a job has: numbers of cores and GPUs of its own, counted from 0, and memory in bytes.

    ``place`` numbers the copy of the batch's tree that it works in; None: the tree itself.
    """

    cores: tuple[int, ...]
    memory_bytes: int = 0
    gpus: tuple[int, ...] = ()
    whole: bool = True
    place: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Grant:
        """Raises ValueError if ``text`` is something else."""
        try:
            fields = json.loads(text)
            return cls(
                tuple(map(int, fields["cores"])),
                int(fields["memory_bytes"]),
                tuple(map(int, fields["gpus"])),
                bool(fields["whole"]),
                None if fields["place"] is None else int(fields["place"]),
            )
        except (KeyError, TypeError) as trouble:
            raise ValueError(f"not a grant: {trouble!r}") from trouble


def is_sharing(asked: Resources) -> bool:
    """Whether a job says what it needs of a node; without that it gets a whole one."""
    return asked.cores is not None or asked.memory_bytes is not None or asked.gpus is not None


def need_of(job: JobSpec, capacity: Capacity) -> Need:
    """What ``job`` needs of a node with this capacity: at least one core."""
    asked = job.resources
    if not is_sharing(asked):
        return Need(capacity.cores, capacity.memory_bytes, capacity.gpus, True, asked.time_s)
    return Need(asked.cores or 1, asked.memory_bytes or 0, asked.gpus or 0, False, asked.time_s)


def fits(need: Need, free: Capacity) -> bool:
    """Whether so much is there."""
    return need.cores <= free.cores and need.memory_bytes <= free.memory_bytes and need.gpus <= free.gpus


def left_of(capacity: Capacity, taken: Iterable[Need | Capacity]) -> Capacity:
    """What is left when all of ``taken`` is in use; below zero where more is lent than there is."""
    cores, memory_bytes, gpus = capacity.cores, capacity.memory_bytes, capacity.gpus
    for one in taken:
        cores -= one.cores
        memory_bytes -= one.memory_bytes
        gpus -= one.gpus
    return Capacity(cores, memory_bytes, gpus)


def size_of(grant: Grant) -> Capacity:
    """How much of the node that is."""
    return Capacity(len(grant.cores), grant.memory_bytes, len(grant.gpus))


def whole_grant(capacity: Capacity) -> Grant:
    """All of a node, in the batch's own tree."""
    return Grant(tuple(range(capacity.cores)), capacity.memory_bytes, tuple(range(capacity.gpus)))

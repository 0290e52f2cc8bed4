"""Jobs that ask for more than any node has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from distribute_cli.words import join, say_size
from spoold.records import Resources


class Machine(Protocol):
    """What a node lends to jobs."""

    @property
    def cores(self) -> int: ...

    @property
    def memory_bytes(self) -> int: ...

    @property
    def gpus(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Oversized:
    """Jobs that fit no node, and what they ask for too much of."""

    text: str
    jobs: tuple[str, ...]


def find_oversized(asked: Mapping[str, Resources], nodes: Sequence[Machine]) -> list[Oversized]:
    """``asked`` by job; ``nodes`` are those that could run the jobs but for their size, at least one."""
    found = [one for one in _find_each(asked, nodes) if one.jobs]
    told = {job for one in found for job in one.jobs}
    both = tuple(
        job
        for job, needs in asked.items()
        if job not in told and not any(fits(needs, node) for node in nodes)
    )
    if both:
        found.append(Oversized(f"no capable node has at once what is asked for by: {join(both)}", both))
    return found


def fits(needs: Resources, node: Machine) -> bool:
    """Whether the node has enough of everything."""
    enough = (needs.cores or 0) <= node.cores and (needs.memory_bytes or 0) <= node.memory_bytes
    return enough and (needs.gpus or 0) <= node.gpus


def _find_each(asked: Mapping[str, Resources], nodes: Sequence[Machine]) -> Iterator[Oversized]:
    cores, memory_bytes = max(node.cores for node in nodes), max(node.memory_bytes for node in nodes)
    jobs = _select(asked, lambda needs: (needs.cores or 0) > cores)
    yield Oversized(f"more cores than any capable node has ({cores}): {join(jobs)}", jobs)
    jobs = _select(asked, lambda needs: (needs.memory_bytes or 0) > memory_bytes)
    yield Oversized(f"more memory than any capable node has ({say_size(memory_bytes)}): {join(jobs)}", jobs)
    gpus = max(node.gpus for node in nodes)
    jobs = _select(asked, lambda needs: (needs.gpus or 0) > gpus)
    if gpus:
        yield Oversized(f"more GPUs than any capable node has ({gpus}): {join(jobs)}", jobs)
    else:
        yield Oversized(f"no capable node has a GPU, which is asked for by: {join(jobs)}", jobs)


def _select(asked: Mapping[str, Resources], large: Callable[[Resources], bool]) -> tuple[str, ...]:
    return tuple(job for job, needs in asked.items() if large(needs))

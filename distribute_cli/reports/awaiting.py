"""Batches that come after other batches, and what is said of that. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spoold.awaiting import Standing
from spoold.tickets import Ticket

_SAID = {
    Standing.ABSENT: "isn't there yet",
    Standing.UNFINISHED: "has work left",
    Standing.DONE: "has ended well",
    Standing.FAILED: "ended with jobs that aren't done",
}


@dataclass(frozen=True, slots=True)
class Awaited:
    """A batch ``NS/BATCH`` that others wait for, and those that it waits for itself."""

    batch: str
    standing: Standing
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AwaitedLine:
    """A batch that must have ended well, and how it stands."""

    batch: str
    standing: Standing


def describe_standing(key: str, standing: Standing) -> str:
    """``anna/meshes (isn't there yet)``."""
    return f"{key} ({_SAID[standing]})"


def doubt_awaited(awaited: Mapping[str, Standing]) -> list[str]:
    """What is odd about the batches that a batch to be submitted comes after."""
    absent, failed = _having(awaited, Standing.ABSENT), _having(awaited, Standing.FAILED)
    return [
        *(f"{key} isn't in this spool yet: the batch waits for it" for key in absent),
        *(f"{key} ended with jobs that aren't done: every job will be cancelled" for key in failed),
    ]


def _having(awaited: Mapping[str, Standing], standing: Standing) -> list[str]:
    return [key for key, one in awaited.items() if one is standing]


def find_circle(own: str, after: Sequence[str], known: Mapping[str, Awaited]) -> tuple[str, ...]:
    """Batches from ``own`` back to it that wait for each other, if they are ``known``; else nothing."""
    ways: list[tuple[str, ...]] = [(own, key) for key in after]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == own:
            return way
        if way[-1] in seen or way[-1] not in known:
            continue
        seen.add(way[-1])
        ways += [(*way, key) for key in known[way[-1]].after]
    return ()


def say_rest(ticket: Ticket, errors: int, wait_s: float) -> str:
    """``rests for 20 s before attempt 3, after 2 errors``."""
    noun = "error" if errors == 1 else "errors"
    return f"rests for {wait_s:g} s before attempt {ticket.attempt}, after {errors} {noun}"

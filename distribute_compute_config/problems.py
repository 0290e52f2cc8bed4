"""What is wrong with a job file, and where: one ``Problem`` a mistake, all in one ``JobFileError``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from distribute_compute_config.inputs import InputFile

Loc = tuple[str | int, ...]
"""The way to a value from the top of a job file: keys and 0-based list positions."""

PROBLEMS_MAX = 1000


class Mark(NamedTuple):
    """A place in a text; line and column count from 1, in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: ``what`` names the thing, ``why`` the cause, ``instead`` what to write (may be empty)."""

    source: str
    line: int
    column: int
    what: str
    why: str
    instead: str = ""

    def __str__(self) -> str:
        text = f"{self.source}:{self.line}:{self.column}: {self.what}: {self.why}"
        return f"{text}; {self.instead}" if self.instead else text


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake found in data, whatever its line; ``at_key``: it's the key, not the value."""

    loc: Loc
    why: str
    instead: str = ""
    at_key: bool = False


class JobFileError(DistributeError):
    """A job file can't be used; ``problems`` holds every mistake in it, in the order of the lines.

    Beyond ``PROBLEMS_MAX``, ``omitted`` counts what was left out. ``mentions`` are the files that it names
    in places without a mistake, as far as they can be made out: whether they are there wasn't looked at.
    """

    def __init__(self, problems: Iterable[Problem], mentions: Iterable[InputFile] = ()) -> None:
        self.mentions = tuple(mentions)
        found = sorted(set(problems), key=lambda p: (p.line, p.column, p.what, p.why))
        self.problems = tuple(found[:PROBLEMS_MAX])
        self.omitted = len(found) - len(self.problems)
        source = found[0].source
        count = len(found)
        super().__init__(f"{source} has {count} mistake{'s' if count > 1 else ''}")

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems]
        return "\n".join([*lines, f"… and {self.omitted} more mistakes"] if self.omitted else lines)


def describe_loc(loc: Loc) -> str:
    """``("python", "jobs", 0, "name")`` as ``python.jobs[0].name``; the top is ``job file``."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".") or "job file"

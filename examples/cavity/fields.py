"""The solution on its grid, the velocities along the centre lines, and what Ghia et al. published."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

Profile = list[tuple[float, float]]
"""(position from 0 to 1, velocity in lid speeds), in the order of the position."""


@dataclass(frozen=True)
class Fields:
    """A flow at the points of a square grid, bottom row first, each row from the left.

    ``stream`` holds the stream function, width * width numbers, and ``velocity`` as many (u, v). The
    side of the cavity and the speed of the lid are the units.
    """

    width: int
    stream: list[float]
    velocity: list[tuple[float, float]]


@dataclass(frozen=True)
class Reference:
    """One value of a table: at ``position``, ``velocity``; ``misprint`` where the paper is wrong."""

    position: float
    velocity: float
    misprint: bool


@dataclass(frozen=True)
class Deviation:
    """How far a profile is from the published values, in lid speeds."""

    largest: float
    rms: float


def read_fields(path: Path) -> Fields:
    """Read what the solver wrote: a legacy VTK file with one array after the other.

    Raises ValueError where the file isn't one of the solver's.
    """
    with path.open(encoding="ascii") as file:
        words = skip_to(file, "DIMENSIONS")
        width = int(words[1])
        points = width * width
        skip_to(file, "SCALARS", "stream_function")
        skip_to(file, "LOOKUP_TABLE")
        stream = [float(next(file)) for _ in range(points)]
        skip_to(file, "VECTORS", "velocity")
        velocity = [read_vector(next(file)) for _ in range(points)]
    return Fields(width, stream, velocity)


def skip_to(file: TextIO, *start: str) -> list[str]:
    """Read on to the line whose first words are ``start``; return all its words."""
    for line in file:
        words = line.split()
        if tuple(words[: len(start)]) == start:
            return words
    raise ValueError(f"{file.name}: no line {' '.join(start)}")


def read_vector(line: str) -> tuple[float, float]:
    u, v, _ = line.split()
    return float(u), float(v)


def centreline_u(fields: Fields) -> Profile:
    """u along the vertical line x = 1/2; ``cells`` must be even, so that the line is one of the grid's."""
    width, half = fields.width, fields.width // 2
    return [(row / (width - 1), fields.velocity[row * width + half][0]) for row in range(width)]


def centreline_v(fields: Fields) -> Profile:
    """v along the horizontal line y = 1/2; ``cells`` must be even."""
    width, half = fields.width, fields.width // 2
    return [(column / (width - 1), fields.velocity[half * width + column][1]) for column in range(width)]


def write_profile(path: Path, names: tuple[str, str], profile: Profile) -> None:
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows((f"{position:.10g}", f"{velocity:.12g}") for position, velocity in profile)


def read_references(path: Path, velocity: str, reynolds: float) -> list[Reference]:
    """Table I (``velocity`` "u") or II ("v") of the paper; empty if ``path`` lacks the Reynolds number."""
    return list(iterate_references(path, velocity, reynolds))


def iterate_references(path: Path, velocity: str, reynolds: float) -> Iterator[Reference]:
    with path.open(newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            value = row.get(f"re{reynolds:g}")
            if row["velocity"] == velocity and value is not None:
                # The grid point is exact; the printed position is rounded to four decimals.
                position = (int(row["grid_point"]) - 1) / 128
                yield Reference(position, float(value), is_misprint(row, reynolds))


def is_misprint(row: dict[str, str], reynolds: float) -> bool:
    """One number of Table II lies far off the smooth curve through its neighbours (see README.md)."""
    return row["velocity"] == "v" and row["grid_point"] == "117" and reynolds == 400


def interpolate(profile: Profile, position: float) -> float:
    """The velocity at ``position``, linear between the two points around it."""
    cells = len(profile) - 1
    left = min(int(position * cells), cells - 1)
    share = position * cells - left
    return (1 - share) * profile[left][1] + share * profile[left + 1][1]


def compare(profile: Profile, references: list[Reference]) -> Deviation:
    """The deviation from all values that aren't misprints; ``references`` must not be empty."""
    off = [abs(interpolate(profile, r.position) - r.velocity) for r in references if not r.misprint]
    return Deviation(max(off), math.sqrt(sum(d * d for d in off) / len(off)))

"""Jobs as they come to a parallel computer, from published statistics.

Sizes, running times and times between arrivals follow Lublin and Feitelson, "The workload on parallel
supercomputers: modeling the characteristics of rigid jobs", J. Parallel and Distributed Computing 63 (2003),
with the parameters that they give for all jobs together; without its cycle of the day, so that the load is
even. What users say of the running time is rounded up to the values that people choose, as Tsafrir, Etsion
and Feitelson, "Modeling user runtime estimates" (2005), describe it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

_SERIAL, _POWER_OF_TWO = 0.244, 0.576
_SMALLEST_LOG2, _LOWER_SHARE, _MIDDLE_BELOW_LARGEST = 0.8, 0.86, 2.5
_SHORT, _LONG = (4.2, 0.94), (312.0, 0.03)
_SHORT_SHARE, _SHORT_SHARE_PER_CORE = 0.78, -0.0054
_BETWEEN = (10.2303 * 1.0225, 0.4871)
_LONGEST_LOG, _LONGEST_PAUSE_LOG = 12.0, 13.0
_CHOSEN_MIN = (1, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1080, 1440, 2160, 2880)
_MOST_OVERESTIMATED = 5.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job: when it comes, what it takes, and how long its user says (None: nothing); in seconds."""

    number: int
    at_s: float
    cores: int
    runs_s: float
    said_s: float | None
    user: str


def make_workload(jobs: int, largest: int, seed: int) -> list[Arrival]:
    """``jobs`` jobs of at most ``largest`` cores; the same for the same ``seed``."""
    chance = random.Random(seed)
    times = accumulate(_draw_pause(chance) for _ in range(jobs))
    return [_draw_job(chance, number, at_s, largest) for number, at_s in enumerate(times)]


def read_swf(lines: Iterable[str], largest: int) -> list[Arrival]:
    """A trace in Standard Workload Format, as in the Parallel Workloads Archive; larger jobs are left out.

    Fields (from 1): 1 number, 2 submitted, 4 run time, 5 processors, 8 asked for, 9 time asked for, 12 user.
    Raises ValueError.
    """
    found = []
    for line in lines:
        fields = line.split(";")[0].split()
        if not fields:
            continue
        number, submitted, runs, allocated, asked, said = (int(float(fields[n])) for n in (0, 1, 3, 4, 7, 8))
        cores = asked if asked > 0 else allocated
        if runs > 0 and 0 < cores <= largest:
            said_s = float(max(said, runs)) if said > 0 else None
            found.append(Arrival(number, float(submitted), cores, float(runs), said_s, f"user{fields[11]}"))
    return sorted(found, key=lambda job: job.at_s)


def read_swf_file(path: Path, largest: int) -> list[Arrival]:
    """Raises OSError or ValueError."""
    with open(path, errors="replace") as file:
        return read_swf(file, largest)


def scale(jobs: list[Arrival], cores: int, load: float) -> list[Arrival]:
    """The same jobs, so much closer together or further apart that they ask for ``load`` of ``cores``."""
    work = sum(job.cores * job.runs_s for job in jobs)
    factor = work / (load * cores * jobs[-1].at_s)
    return [replace(job, at_s=job.at_s * factor) for job in jobs]


def without_times(jobs: list[Arrival]) -> list[Arrival]:
    """The same jobs, of users who don't say how long they take."""
    return [replace(job, said_s=None) for job in jobs]


def _draw_job(chance: random.Random, number: int, at_s: float, largest: int) -> Arrival:
    cores = _draw_cores(chance, largest)
    runs_s = _draw_run(chance, cores)
    guess_s = runs_s * chance.uniform(1.0, _MOST_OVERESTIMATED)
    said_s = next((60.0 * chosen for chosen in _CHOSEN_MIN if 60 * chosen >= guess_s), guess_s)
    # Users are as unequal as words: the n-th is n times as rare as the first.
    user = chance.choices(range(1, 9), [1 / n for n in range(1, 9)])[0]
    return Arrival(number, at_s, cores, runs_s, said_s, f"user{user}")


def _draw_cores(chance: random.Random, largest: int) -> int:
    kind = chance.random()
    if kind <= _SERIAL:
        return 1
    high = math.log2(largest)
    middle = max(_SMALLEST_LOG2, high - _MIDDLE_BELOW_LARGEST)
    lower = chance.random() <= _LOWER_SHARE
    size_log2 = chance.uniform(_SMALLEST_LOG2, middle) if lower else chance.uniform(middle, high)
    if kind <= _SERIAL + _POWER_OF_TWO:
        size_log2 = round(size_log2)
    return min(largest, round(2**size_log2))


def _draw_run(chance: random.Random, cores: int) -> float:
    short = chance.random() <= min(1.0, max(0.0, _SHORT_SHARE + _SHORT_SHARE_PER_CORE * cores))
    return max(1.0, math.exp(_draw_below(chance, _SHORT if short else _LONG, _LONGEST_LOG)))


def _draw_pause(chance: random.Random) -> float:
    return math.exp(_draw_below(chance, _BETWEEN, _LONGEST_PAUSE_LOG))


def _draw_below(chance: random.Random, gamma: tuple[float, float], most: float) -> float:
    while (drawn := chance.gammavariate(*gamma)) > most:
        pass
    return drawn

"""How well the picker uses a lab, and how long jobs wait, against first come, first served; simulated.

    python -m bench.schedule [--jobs 3000] [--nodes 4] [--cores 16] [--load 0.7 0.9] [--swf FILE]

The workload is made from published statistics, or read from a trace in Standard Workload Format. What the
figures mean is told in ``docs/schedule.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, quantiles

from rich.console import Console
from rich.table import Table

from bench.scheduling.simulation import Policy, Started, as_nodes_do, first_come, simulate
from bench.scheduling.workload import Arrival, make_workload, read_swf_file, scale, without_times

_SHORTEST_S = 10.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One simulation; times in seconds, ``utilisation`` from the first arrival to the last start."""

    load: float
    policy: str
    utilisation: float
    mean_wait_s: float
    median_wait_s: float
    wait_95_s: float
    mean_slowdown: float
    large_mean_wait_s: float
    large_longest_wait_s: float


def main() -> int:
    options = _parse(sys.argv[1:])
    jobs = (
        read_swf_file(options.swf, options.cores)
        if options.swf
        else make_workload(options.jobs, options.cores, options.seed)
    )
    found: list[Figures] = []
    for load in options.load:
        found += compare(jobs, options.nodes, options.cores, load, options.seed)
    _show(found, Console())
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    return 0


def compare(jobs: Sequence[Arrival], nodes: int, cores: int, load: float, seed: int) -> list[Figures]:
    """The same jobs by every policy."""
    scaled = scale(list(jobs), nodes * cores, load)
    runs: list[tuple[str, Sequence[Arrival], Policy]] = [
        ("first come, first served", scaled, first_come),
        ("distribute, times known", scaled, as_nodes_do),
        ("distribute, no times", without_times(scaled), as_nodes_do),
    ]
    return [
        measure(load, name, simulate(line, nodes, cores, policy, seed), nodes * cores, cores)
        for name, line, policy in runs
    ]


def measure(load: float, policy: str, started: Sequence[Started], all_cores: int, cores: int) -> Figures:
    """What came of it; a job is large if it takes more than half of a node."""
    begin_s, end_s = min(one.job.at_s for one in started), max(one.at_s for one in started)
    used = sum(one.job.cores * (min(one.ended_s, end_s) - one.at_s) for one in started)
    waits = [one.waited_s for one in started]
    slowdowns = [
        max(1.0, (one.waited_s + one.job.runs_s) / max(one.job.runs_s, _SHORTEST_S)) for one in started
    ]
    large = [one.waited_s for one in started if one.job.cores > cores / 2] or [0.0]
    centiles = quantiles(waits, n=100)
    return Figures(
        load, policy, used / (all_cores * (end_s - begin_s)), mean(waits), centiles[49], centiles[94],
        mean(slowdowns), mean(large), max(large),
    )  # fmt: skip


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.schedule", description="Utilisation and waiting times.")
    parser.add_argument("--jobs", type=int, default=3000, help="how many jobs are made up (3000)")
    parser.add_argument("--nodes", type=int, default=4, help="workstations (4)")
    parser.add_argument("--cores", type=int, default=16, help="cores of each (16)")
    parser.add_argument("--load", type=float, nargs="+", default=(0.6, 0.75, 0.9), help="asked of all cores")
    parser.add_argument("--seed", type=int, default=1, help="another workload for another number (1)")
    parser.add_argument("--swf", type=Path, metavar="FILE", help="a trace, in place of a made-up workload")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args(arguments)


def _show(found: Sequence[Figures], console: Console) -> None:
    columns = ("load", "policy", "used", "mean wait", "median", "95 %", "slowdown", "large: mean", "longest")
    table = Table(*columns)
    for one in found:
        waits = (one.mean_wait_s, one.median_wait_s, one.wait_95_s)
        large = (one.large_mean_wait_s, one.large_longest_wait_s)
        head = (f"{one.load:.2f}", one.policy, f"{one.utilisation:.1%}")
        table.add_row(*head, *_minutes(*waits), f"{one.mean_slowdown:.1f}", *_minutes(*large))
    console.print(table)


def _minutes(*times_s: float) -> list[str]:
    return [f"{time_s / 60:.1f} min" for time_s in times_s]


if __name__ == "__main__":
    sys.exit(main())

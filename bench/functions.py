"""What it costs to call a Python function in another process: this system beside others, in one run.

    python bench/functions.py [--jobs 500] [--rounds 3] [--json FILE] [--work DIR]

How, is told in ``docs/benchmark.md``. The exit code is 1 if a result was missing or wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TextIO

from calling.systems import SYSTEMS, CallAll, System
from dispatching.processes import make_meter
from dispatching.report import describe_machine
from rich.console import Console
from rich.table import Table

_SINGLE_CALLS = 10
_LONGEST_S = 3600
_WIDTH = 110


def square(x: int) -> int:
    """Takes no time, so that all that is measured is overhead."""
    return x * x


@dataclass(frozen=True, slots=True)
class Run:
    """A round of a system: seconds until it can be used, of one call, of all calls; CPU seconds in all."""

    system: str
    start_s: float
    call_s: float
    all_s: float
    cpu_s: float | None = None


def main() -> int:
    options = _parse()
    if options.system:
        return _measure_here(next(one for one in SYSTEMS if one.name == options.system), options)
    console, progress = Console(width=_WIDTH), Console(stderr=True)
    present = [one for one in SYSTEMS if one.is_installed]
    runs = []
    for number in range(options.rounds):
        for system in present[number % len(present) :] + present[: number % len(present)]:
            progress.print(f"round {number + 1}: {system.name}", style="dim")
            run = _measure(system, options)
            if run is None:
                progress.print(f"{system.name}: results are missing or wrong", style="red")
                return 1
            runs.append(run)
    console.print(_tabulate(runs, options.jobs))
    missing = [one.package for one in SYSTEMS if not one.is_installed]
    if missing:
        progress.print(f"not installed: {', '.join(missing)}; type: pip install {' '.join(missing)}")
    if options.json:
        machine = asdict(describe_machine(options.work))
        report = {"machine": machine, "jobs": options.jobs, "runs": [asdict(run) for run in runs]}
        options.json.write_text(json.dumps(report, indent=2))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=500, help="calls a round (500)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all systems (3)")
    parser.add_argument("--json", type=Path, help="write every run there")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="where files are made")
    parser.add_argument("--system", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(system: System, options: argparse.Namespace) -> Run | None:
    """One round, in a process of its own whose CPU time and that of all its children is counted."""
    meter = make_meter()
    words = ["--system", system.name, "--jobs", str(options.jobs), "--work", str(options.work)]
    try:
        argv = meter.wrap([sys.executable, __file__, *words])
        ended = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=_LONGEST_S)
        cpu_s = meter.used_s()
    finally:
        meter.close()
    if ended.returncode:
        return None
    start_s, call_s, all_s = json.loads(ended.stdout.splitlines()[-1])
    return Run(system.name, start_s, call_s, all_s, cpu_s)


def _measure_here(system: System, options: argparse.Namespace) -> int:
    inputs = range(options.jobs)
    with tempfile.TemporaryDirectory(dir=options.work, prefix="functions-") as folder, _quiet() as said:
        began_s = time.perf_counter()
        with system.start(Path(folder)) as call_all:
            # The first call finds everything started.
            call_all(square, [0])
            start_s = time.perf_counter() - began_s
            call_s = median(_time(call_all, [number])[0] for number in range(_SINGLE_CALLS))
            all_s, results = _time(call_all, inputs)
        said.write(json.dumps([start_s, call_s, all_s]) + "\n")
    return 0 if results == [square(x) for x in inputs] else 1


def _time(call_all: CallAll, inputs: range | list[int]) -> tuple[float, list[int]]:
    began_s = time.perf_counter()
    results = call_all(square, inputs)
    return time.perf_counter() - began_s, results


@contextmanager
def _quiet() -> Iterator[TextIO]:
    """What systems print goes to standard error; yields what our standard output was."""
    with os.fdopen(os.dup(1), "w") as said:
        os.dup2(2, 1)
        yield said


def _tabulate(runs: list[Run], jobs: int) -> Table:
    table = Table(title=f"{jobs} calls, two at a time; medians; ms and CPU ms of each call")
    for head in ("system", "a process", "start s", "one call s", "calls/s", "ms", "CPU ms"):
        table.add_column(head, justify="left" if head in ("system", "a process") else "right", no_wrap=True)
    for system in SYSTEMS:
        mine = [run for run in runs if run.system == system.name]
        if not mine:
            continue
        all_s = median(run.all_s for run in mine)
        cpus = [run.cpu_s for run in mine if run.cpu_s is not None]
        cpu = f"{median(cpus) / (jobs + _SINGLE_CALLS) * 1000:.1f}" if cpus else "?"
        start, call = median(run.start_s for run in mine), median(run.call_s for run in mine)
        figures = [f"{start:.2f}", f"{call:.3f}", f"{jobs / all_s:.1f}", f"{all_s / jobs * 1000:.1f}", cpu]
        table.add_row(system.name, system.process, *figures)
    return table


if __name__ == "__main__":
    sys.exit(main())

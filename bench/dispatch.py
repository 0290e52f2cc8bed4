"""How fast jobs are dispatched, and at what cost: this system beside others, in one run on one machine.

    python bench/dispatch.py [--jobs 500] [--rounds 3] [--aims] [--json FILE]

What is measured, and how, is told in ``docs/benchmark.md``. The exit code is 0 when everything could be
measured, whether the aims were met or not, and 1 when a job's result was missing or wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from dispatching.aims import judge_claims, judge_idle, judge_rates, judge_status, sync_disk
from dispatching.bursts import measure_burst
from dispatching.figures import BenchmarkError, Run, summarize
from dispatching.hyperqueue_peer import HyperQueue
from dispatching.peers import Parallel, TaskSpooler, Xargs
from dispatching.processes import Meter, make_meter
from dispatching.report import Report, describe_machine, print_report, to_json
from dispatching.spool_system import SpoolSystem
from dispatching.tracing import count_operations, why_untraceable
from rich.console import Console

T = TypeVar("T")


class System(Protocol):
    """Something that can run many no-op jobs, two at a time."""

    @property
    def name(self) -> str: ...

    def why_missing(self) -> str | None:
        """None if it is installed, else what to do about it."""

    def run(self, jobs: int, round_number: int, folder: Path, meter: Meter) -> Run:
        """One pass in the empty ``folder``. Raises BenchmarkError unless every job was done."""


SYSTEM, PEER = SpoolSystem(), HyperQueue()
SYSTEMS: tuple[System, ...] = (SYSTEM, PEER, Xargs(), Parallel(), TaskSpooler())


def main() -> int:
    options = _parse(sys.argv[1:])
    progress = Console(stderr=True)
    with _folder(options.work) as work:
        report = Report(describe_machine(work), options.jobs, options.rounds)
        try:
            _measure(report, options, work, progress)
        except BenchmarkError as error:
            progress.print(str(error), style="red", markup=False)
            return 1
    print_report(report, Console())
    if options.json:
        options.json.write_text(to_json(report))
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Dispatch rate and its cost, beside other systems.")
    parser.add_argument("--jobs", type=int, default=500, help="no-op jobs a round (default 500)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all systems (default 3)")
    parser.add_argument(
        "--aims", action="store_true", help="measure the aims that need large or idle spools too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where spools are made (default: the temporary folder)"
    )
    options = parser.parse_args(arguments)
    if options.jobs < 2 or options.rounds < 1:
        parser.error("it takes two jobs and one round at least")
    return options


def _measure(report: Report, options: argparse.Namespace, work: Path, progress: Console) -> None:
    report.skipped = {system.name: why for system in SYSTEMS if (why := system.why_missing())}
    present = [system for system in SYSTEMS if system.name not in report.skipped]
    for number in range(1, options.rounds + 1):
        for system in _rotated(present, number):
            progress.print(f"round {number}: {system.name}")
            _try(report, system, number, work)
    names = [system.name for system in SYSTEMS]
    report.runs.sort(key=lambda run: names.index(run.system))
    report.summaries = summarize(report.runs, SYSTEM.name)
    report.operations_missing = report.skipped.get(SYSTEM.name) or why_untraceable() or ""
    if not report.operations_missing:
        progress.print("counting file system operations")
        report.operations = _in_new_folder(work, count_operations)
    if SYSTEM.name not in report.skipped:
        progress.print("a burst of results")
        report.burst = _in_new_folder(work, lambda folder: measure_burst(folder, options.jobs))
    report.aims = judge_rates(report.summaries, SYSTEM.name, PEER.name)
    if options.aims:
        _measure_aims(report, work, progress)


def _measure_aims(report: Report, work: Path, progress: Console) -> None:
    progress.print("an idle daemon")
    report.aims += _in_new_folder(work, judge_idle)
    progress.print("status of a large spool")
    report.aims.append(_in_new_folder(work, judge_status))
    progress.print("claims in a large spool")
    report.aims.append(_in_new_folder(work, judge_claims))


def _try(report: Report, system: System, number: int, work: Path) -> None:
    """Adds a run to the report; a peer that fails is named there. Raises BenchmarkError for SYSTEM."""
    try:
        report.runs.append(_run(system, report.jobs, number, work))
    except BenchmarkError as error:
        if system is SYSTEM:
            raise
        report.skipped[system.name] = f"round {number}: {error}"


def _rotated(systems: list[System], number: int) -> list[System]:
    """Each round begins with another system, so that none is always the one that runs on a rested machine."""
    first = (number - 1) % len(systems)
    return systems[first:] + systems[:first]


def _run(system: System, jobs: int, number: int, work: Path) -> Run:
    meter = make_meter()
    try:
        return _in_new_folder(work, lambda folder: system.run(jobs, number, folder, meter))
    finally:
        meter.close()


def _in_new_folder(work: Path, act: Callable[[Path], T]) -> T:
    sync_disk()
    with _folder(None, work) as folder:
        return act(folder)


@contextmanager
def _folder(given: Path | None, parent: Path | None = None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="dispatch-", dir=given or parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())

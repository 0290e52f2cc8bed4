"""What was measured, for people (tables) and for programs (JSON)."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from .figures import Aim, Burst, Operations, Run, Summary

_LEGEND = (
    "ratio: the first system's jobs/s by this one's; steady: jobs/s from the first job to the last; "
    "own: CPU a job less the no-op's; daemon: that of the processes that stay"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured; memory in bytes."""

    cpus: int
    cpu: str
    memory_bytes: int
    kernel: str
    python: str
    file_system: str
    versions: dict[str, str]


@dataclass(slots=True)
class Report:
    """Everything of one invocation. ``skipped`` says of each system that wasn't measured why."""

    machine: Machine
    jobs: int
    rounds: int
    runs: list[Run] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    operations: Operations | None = None
    operations_missing: str = ""
    burst: Burst | None = None
    aims: list[Aim] = field(default_factory=list)


def describe_machine(folder: Path) -> Machine:
    """This machine, and the file system that ``folder`` is on."""
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        cpu=_cpu_model(),
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        python=platform.python_version(),
        file_system=_file_system(folder),
        versions=_versions("distribute-lab", "hyperqueue"),
    )


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _file_system(folder: Path) -> str:
    real = folder.resolve()
    mounts = [p for p in psutil.disk_partitions(all=True) if real.is_relative_to(p.mountpoint)]
    return max(mounts, key=lambda p: len(p.mountpoint)).fstype if mounts else "unknown"


def _versions(*packages: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def to_json(report: Report) -> str:
    """The report as a JSON document; runs carry their derived figures too."""
    document = asdict(report)
    for plain, run in zip(document["runs"], report.runs, strict=True):
        plain |= {
            "jobs_per_s": run.jobs_per_s,
            "steady_jobs_per_s": run.steady_jobs_per_s,
            "own_cpu_ms": run.own_cpu_ms,
            "daemon_cpu_ms": run.daemon_cpu_ms,
        }
    return json.dumps(document, indent=2) + "\n"


def print_report(report: Report, console: Console) -> None:
    machine = report.machine
    console.print(
        f"{machine.cpus} CPUs ({machine.cpu}), Linux {machine.kernel}, Python {machine.python}, "
        f"{machine.file_system}"
    )
    if report.summaries:
        console.print(_table_of_systems(report))
    for name, why in report.skipped.items():
        console.print(f"skipped {name}: {why}", markup=False)
    _print_operations(report, console)
    if report.burst:
        console.print(
            f"a burst of {report.burst.jobs} results: {report.burst.flushes} flushes, "
            f"{report.burst.flushes_a_job:.3f} a job; archived in {report.burst.took_s:.2f} s"
        )
    if report.aims:
        console.print(_table_of_aims(report.aims))


def _table_of_systems(report: Report) -> Table:
    rounds = "1 round" if report.rounds == 1 else f"medians of {report.rounds} rounds"
    table = Table(title=f"{report.jobs} no-op jobs, two at a time, {rounds}", caption=_LEGEND)
    table.add_column("system", no_wrap=True)
    headings = ("jobs/s", "ratio", "steady", "submit s", "closed s", "own ms", "daemon ms")
    for heading in headings:
        table.add_column(heading, justify="right")
    for one in report.summaries:
        table.add_row(
            one.system,
            _show(one.jobs_per_s, 0),
            _show(one.rate_ratio, 2),
            _show(one.steady_jobs_per_s, 0),
            _show(one.submit_s, 2),
            _show(one.closed_s, 2),
            _show(one.own_cpu_ms, 2),
            _show(one.daemon_cpu_ms, 2),
        )
    return table


def _print_operations(report: Report, console: Console) -> None:
    operations = report.operations
    if operations is None:
        console.print(f"file system operations a job: not counted, {report.operations_missing}", markup=False)
        return
    console.print(
        f"file system operations a job: {operations.in_spool:.1f} in the spool, "
        f"{operations.elsewhere:.1f} elsewhere; flushes to stable storage a job: {operations.flushes:.2f}"
    )
    calls = sorted(operations.by_call.items(), key=lambda item: -item[1])
    console.print("in the spool: " + ", ".join(f"{call} {count:.2f}" for call, count in calls if count))


def _table_of_aims(aims: list[Aim]) -> Table:
    table = Table(title="Aims")
    for heading in ("aim", "limit", "measured", "met", "how"):
        table.add_column(heading, overflow="fold")
    for aim in aims:
        measured = "-" if aim.figure is None else f"{aim.figure:.3g} {aim.unit}"
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: "not measured"}[aim.met]
        table.add_row(aim.aim, f"{aim.limit} {aim.unit}", measured, met, aim.detail)
    return table


def _show(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"

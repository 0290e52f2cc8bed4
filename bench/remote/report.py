"""What was measured, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table

from bench.dispatching.report import Machine
from bench.remote.figures import (
    LONGEST_WAIT_S,
    MEDIAN_WAIT_S,
    MOST_A_JOB,
    MOST_IDLE_PER_S,
    Idle,
    JobCost,
    Waits,
)


@dataclass(slots=True)
class Report:
    """Everything of one invocation."""

    machine: Machine
    idle: list[Idle] = field(default_factory=list)
    jobs: list[JobCost] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Row:
    nfs: str
    what: str
    limit: str
    measured: str
    met: bool

    @property
    def verdict(self) -> str:
        return "yes" if self.met else "no"


def print_report(report: Report, console: Console) -> None:
    table = Table("NFS", "figure", "goal", "measured", "met")
    for row in _rows(report):
        table.add_row(row.nfs, row.what, row.limit, row.measured, row.verdict)
    console.print(table)
    for cost in report.jobs:
        console.print(f"operations a job, NFS {cost.nfs}: {_by_operation(cost.by_operation)}", soft_wrap=True)


def to_json(report: Report) -> str:
    """``machine``, ``idle``, ``jobs`` and ``waits``, as described in ``docs/nfs.md``."""
    return json.dumps(
        {
            "machine": asdict(report.machine),
            "idle": [{**asdict(idle), "per_s": idle.per_s} for idle in report.idle],
            "jobs": [{**asdict(cost), "a_job": cost.a_job} for cost in report.jobs],
            "waits": [
                {**asdict(waits), "median_s": waits.median_s, "longest_s": waits.longest_s}
                for waits in report.waits
            ],
        },
        indent=2,
    )


def _rows(report: Report) -> list[_Row]:
    rows = []
    for idle in report.idle:
        what = f"idle node{', the steward' if idle.steward else ''}: operations a second"
        rows.append(_row(idle.nfs, what, idle.per_s, MOST_IDLE_PER_S))
    for cost in report.jobs:
        rows.append(_row(cost.nfs, "operations a job", cost.a_job, MOST_A_JOB))
    for waits in report.waits:
        what = f"from {waits.way} to the start elsewhere"
        rows.append(_row(waits.nfs, f"{what}: median, s", waits.median_s, MEDIAN_WAIT_S))
        rows.append(_row(waits.nfs, f"{what}: longest, s", waits.longest_s, LONGEST_WAIT_S))
    return sorted(rows, key=lambda row: row.nfs, reverse=True)


def _row(nfs: str, what: str, measured: float, most: float) -> _Row:
    return _Row(nfs, what, f"≤ {most:g}", f"{measured:.3g}", measured <= most)


def _by_operation(counted: dict[str, float]) -> str:
    large = sorted(((n, name) for name, n in counted.items() if n >= 0.05), reverse=True)
    return ", ".join(f"{name} {n:.1f}" for n, name in large)

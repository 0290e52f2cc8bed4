"""Solves one cavity: reads input/input.json, runs ./cavity on the given cores, saves what is worth keeping.

Usage: python3 job.py CORES, in a folder that holds cavity, input/ and distribute_save/.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from input import fields, plot

INPUT = Path("input")
SAVE = Path("distribute_save")


@dataclass(frozen=True)
class Case:
    """The contents of input.json."""

    reynolds: float
    cells: int
    relaxation: float
    tolerance: float
    max_iterations: int


def read_case(path: Path) -> Case:
    """Read a case; raises ValueError where a centre line would lie between two grid lines."""
    case = Case(**json.loads(path.read_text(encoding="utf-8")))
    if case.cells % 2:
        raise ValueError(f"{path}: cells is {case.cells}; it must be even")
    return case


def solve(case: Case, cores: int, out: Path) -> None:
    """Run the solver, its progress on our stdout; if it fails it has said why, and its exit code is ours."""
    numbers = [case.reynolds, case.cells, case.relaxation, case.tolerance, case.max_iterations, cores]
    solver = subprocess.run(["./cavity", *map(str, numbers), str(out)])
    if solver.returncode:
        sys.exit(solver.returncode)


def describe_deviation(
    name: str, profile: fields.Profile, references: list[fields.Reference]
) -> dict[str, float]:
    """The deviation from the paper as summary.json holds it; nothing where the paper has no such case."""
    if not references:
        return {}
    deviation = fields.compare(profile, references)
    print(f"{name} against Ghia et al.: largest deviation {deviation.largest:.4f}, rms {deviation.rms:.4f}")
    return {f"{name}_largest_deviation": deviation.largest, f"{name}_rms_deviation": deviation.rms}


def main() -> None:
    cores = int(sys.argv[1])
    case = read_case(INPUT / "input.json")
    shutil.copy(INPUT / "input.json", SAVE)
    solve(case, cores, SAVE / "fields.vtk")

    flow = fields.read_fields(SAVE / "fields.vtk")
    u, v = fields.centreline_u(flow), fields.centreline_v(flow)
    fields.write_profile(SAVE / "centreline_u.csv", ("y", "u"), u)
    fields.write_profile(SAVE / "centreline_v.csv", ("x", "v"), v)

    u_paper = fields.read_references(INPUT / "ghia.csv", "u", case.reynolds)
    v_paper = fields.read_references(INPUT / "ghia.csv", "v", case.reynolds)
    summary = {**asdict(case), "vortex_stream_function": min(flow.stream)}
    summary |= describe_deviation("u", u, u_paper) | describe_deviation("v", v, v_paper)
    (SAVE / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    picture = plot.draw(case.reynolds, flow, (u, u_paper), (v, v_paper))
    (SAVE / "cavity.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()

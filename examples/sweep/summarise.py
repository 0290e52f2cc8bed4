"""A table and a picture of what the jobs of the sweep found: which motion belongs to which push."""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 900, 500, 50


@dataclass(frozen=True)
class Case:
    """One job: the strength of the push, after how many pushes the motion repeats, and the speeds seen."""

    push: float
    period: int | None
    speeds: tuple[float, ...]


def read_cases(results: Path) -> list[Case]:
    found = []
    for summary in results.glob("*/summary.json"):
        said = json.loads(summary.read_text())
        with summary.with_name("section.csv").open() as table:
            speeds = tuple(float(row["speed"]) for row in csv.DictReader(table))
        found.append(Case(said["push"], said["period"], speeds))
    return sorted(found, key=lambda case: case.push)


def tabulate(cases: list[Case]) -> Iterator[str]:
    """Neighbours with the same motion share a line."""
    yield "push             repeats after"
    for period, group in groupby(cases, key=lambda case: case.period):
        same = list(group)
        pushes = f"{same[0].push:.3f}" if len(same) == 1 else f"{same[0].push:.3f} to {same[-1].push:.3f}"
        said = "never" if period is None else "1 push" if period == 1 else f"{period} pushes"
        yield f"{pushes:16} {said}"


def draw(cases: list[Case]) -> str:
    """The bifurcation diagram, as SVG: above each push the speeds that the pendulum has once a push."""
    first, last = cases[0].push, max(cases[-1].push, cases[0].push + 1e-9)
    slowest = math.floor(min(min(case.speeds) for case in cases))
    fastest = math.ceil(max(max(case.speeds) for case in cases))
    inner, height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def across(push: float) -> float:
        return MARGIN + inner * (push - first) / (last - first)

    def down(speed: float) -> float:
        return MARGIN + height * (fastest - speed) / (fastest - slowest)

    points = {(round(across(case.push), 1), round(down(speed), 1)) for case in cases for speed in case.speeds}
    path = "".join(f"M{x:g} {y:g}h.1" for x, y in sorted(points))
    ticks = "".join(
        f'<text x="{across(push):.0f}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle">{push:.2f}</text>'
        for push in (first + (last - first) * part / 5 for part in range(6))
    )
    speeds = "".join(
        f'<text x="{MARGIN - 8}" y="{down(speed) + 4:.0f}" text-anchor="end">{speed:d}</text>'
        for speed in range(slowest, fastest + 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/>'
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{inner}" height="{height}" fill="none" stroke="#999"/>'
        f'<path d="{path}" stroke="#124" stroke-width="1.8" stroke-linecap="round"/>{ticks}{speeds}'
        f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">strength of the push</text>'
        f'<text x="{MARGIN}" y="{MARGIN - 15}">angular speed at the end of each push</text></svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="the folder that distribute pull made")
    parser.add_argument("--picture", type=Path, default=Path("pendulum.svg"))
    arguments = parser.parse_args()
    cases = read_cases(arguments.results)
    if not cases:
        parser.error(f"{arguments.results} holds no */summary.json")
    print("\n".join(tabulate(cases)))
    arguments.picture.write_text(draw(cases))
    print(f"{len(cases)} jobs; the picture: {arguments.picture}")


if __name__ == "__main__":
    main()

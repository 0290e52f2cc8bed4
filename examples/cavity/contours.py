"""Lines of equal value on a square grid, by marching squares."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

Edge = tuple[int, int]
"""Two neighbouring grid points, the lower index first; a line crosses it once at most."""

Line = list[tuple[float, float]]
"""Points (column, row) in grid steps; the first comes again at the end of a closed line."""


def trace(values: Sequence[float], width: int, levels: Sequence[float]) -> dict[float, list[Line]]:
    """The lines of each level in ``values``, which holds width * width numbers; ``levels`` must be sorted."""
    found = {}
    for level, cells in sort_cells(values, width, levels).items():
        links: dict[Edge, list[Edge]] = defaultdict(list)
        for corner in cells:
            for one, other in cross_cell(values, width, corner, level):
                links[one].append(other)
                links[other].append(one)
        found[level] = [
            [locate(values, width, edge, level) for edge in chain] for chain in iterate_chains(links)
        ]
    return found


def sort_cells(values: Sequence[float], width: int, levels: Sequence[float]) -> dict[float, list[int]]:
    """For each level, the cells (by their lower left point) that it passes through."""
    passed: dict[float, list[int]] = defaultdict(list)
    for row in range(width - 1):
        for corner in range(row * width, row * width + width - 1):
            four = (values[corner], values[corner + 1], values[corner + width], values[corner + width + 1])
            for level in levels[bisect_left(levels, min(four)) : bisect_right(levels, max(four))]:
                passed[level].append(corner)
    return passed


def cross_cell(values: Sequence[float], width: int, corner: int, level: float) -> list[tuple[Edge, Edge]]:
    """The pieces of the line inside one cell, each from one edge of the cell to another."""
    left, right, far_left, far_right = corner, corner + 1, corner + width, corner + width + 1
    around = [(left, right), (right, far_right), (far_left, far_right), (left, far_left)]
    crossed = [edge for edge in around if (values[edge[0]] < level) != (values[edge[1]] < level)]
    if len(crossed) < 4:
        return [(crossed[0], crossed[1])] if crossed else []
    # A saddle: the mean decides which two of the corners hang together.
    mean = (values[left] + values[right] + values[far_left] + values[far_right]) / 4
    if (mean < level) == (values[left] < level):
        return [(around[0], around[1]), (around[2], around[3])]
    return [(around[3], around[0]), (around[1], around[2])]


def iterate_chains(links: dict[Edge, list[Edge]]) -> Iterator[list[Edge]]:
    """Join the pieces end to end: first the lines that end at the border, then the closed ones."""
    for start in sorted(links, key=lambda edge: len(links[edge])):
        if not links[start]:
            continue
        chain = [start]
        while links[chain[-1]]:
            following = links[chain[-1]].pop()
            links[following].remove(chain[-1])
            chain.append(following)
        yield chain


def locate(values: Sequence[float], width: int, edge: Edge, level: float) -> tuple[float, float]:
    low, high = edge
    share = (level - values[low]) / (values[high] - values[low])
    row, column = divmod(low, width)
    return (column + share, float(row)) if high == low + 1 else (float(column), row + share)

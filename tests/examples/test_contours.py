"""The lines of equal value that the cavity example draws."""

from __future__ import annotations

import importlib.util
import math
from types import ModuleType

import pytest

from tests.examples.node_tree import EXAMPLE


@pytest.fixture(scope="module")
def contours() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cavity_contours", EXAMPLE / "contours.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_contours_of_a_cone_are_closed_circles(contours: ModuleType) -> None:
    width, centre = 41, 20
    cone = [math.dist((i % width, i // width), (centre, centre)) for i in range(width * width)]
    traced = contours.trace(cone, width, [5.0, 12.5])
    assert sorted(traced) == [5.0, 12.5]
    for radius, lines in traced.items():
        (line,) = lines
        assert line[0] == line[-1]
        assert all(math.dist(point, (centre, centre)) == pytest.approx(radius, abs=0.03) for point in line)


def test_contours_that_leave_the_grid_end_at_its_border(contours: ModuleType) -> None:
    width = 9
    ramp = [float(i % width) for i in range(width * width)]
    ((line,),) = contours.trace(ramp, width, [3.5]).values()
    assert sorted(line) == [(3.5, float(row)) for row in range(width)]
    assert {line[0][1], line[-1][1]} == {0.0, 8.0}


@pytest.mark.parametrize(("middle", "joined"), [(0.6, "high"), (0.4, "low")])
def test_contours_at_a_saddle_keep_the_corners_together_that_the_mean_joins(
    contours: ModuleType, middle: float, joined: str
) -> None:
    high = 4 * middle - 1  # so that the mean of the four corners is `middle`
    lines = contours.trace([1.0, 0.0, 0.0, high], 2, [0.5])[0.5]
    assert len(lines) == 2
    around_low = any(all(math.dist(point, (1, 0)) < 0.8 for point in (line[0], line[-1])) for line in lines)
    assert around_low == (joined == "high")

"""Every call that a node makes on the spool, with everything that may become of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.spool.faulty import KILLED_AFTER
from tests.spool.living import CALLS, Make, Point, fails, live_through, points, record, sample
from tests.spool.node_life import NodeLife

pytestmark = [pytest.mark.usefixtures("hurry"), pytest.mark.timeout(400)]


def of_node(found: Iterable[Point]) -> list[Point]:
    return [point for point in found if point[1].actor == "node"]


def test_no_fault(make: Make) -> None:
    """It makes every kind of call; and what was given back while it ran counts as the next attempt."""
    calls = record(make, NodeLife)
    mine = {call.name for call in calls if call.actor == "node"}
    assert {"open_new", "open_end", "utime", "stat", "chmod", "link", "replace", "close", "sync"} <= mine
    moved = {call.paths[-1].name for call in calls if call.name == "rename"}
    assert {"t~2@n1"} <= moved
    assert any(call.paths[-1].name == "n1.ok" for call in calls)


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_node_is_killed(make: Make, comes_back: bool) -> None:
    for number, _, fault in of_node(points(record(make, NodeLife))):
        if fault is KILLED_AFTER:
            live_through(make, number, fault, comes_back, NodeLife)


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_of_the_node_fails(make: Make, kind: str) -> None:
    for number, _, fault in sample(of_node(fails(record(make, NodeLife), kind))):
        live_through(make, number, fault, kind=NodeLife)


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", CALLS)
def test_each_call_of_the_node_fails(make: Make, kind: str) -> None:
    for number, _, fault in of_node(fails(record(make, NodeLife), kind)):
        live_through(make, number, fault, kind=NodeLife)

"""Every call that a node makes on the spool, with everything that may become of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.spool.faulty import KILLED_AFTER, Call, Fault
from tests.spool.living import CALLS, Make, kind_of, live_through, points, record
from tests.spool.node_life import NodeLife

pytestmark = [pytest.mark.usefixtures("hurry"), pytest.mark.timeout(400)]


def of_node(make: Make) -> Iterator[tuple[int, Call, Fault]]:
    calls = points(record(make, NodeLife))
    return (point for point in calls if point[1].actor == "node")


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
    for number, _, fault in of_node(make):
        if fault is KILLED_AFTER:
            live_through(make, number, fault, comes_back, NodeLife)


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_of_the_node_fails(make: Make, kind: str) -> None:
    for number, call, fault in of_node(make):
        if fault is not KILLED_AFTER and kind == kind_of(call):
            live_through(make, number, fault, kind=NodeLife)

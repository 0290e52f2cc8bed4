"""Every call that a job's life makes, with everything that may become of it: the life ends the same way.

One run records the calls; then each one, or a sample where there are many, is repeated once for each fault: its process is killed there, or the
call fails, lies, or finds no space. Others go on. In the end there is one terminal ticket a job, one whole
result, nothing left over, and at every moment the spool is legal and its inputs are there.
"""

from __future__ import annotations

import pytest

from tests.spool.faulty import KILLED_AFTER, KILLED_BEFORE
from tests.spool.living import CALLS, Make, fails, live_through, points, record, sample

pytestmark = [pytest.mark.usefixtures("hurry"), pytest.mark.timeout(400)]


def test_no_fault(make: Make) -> None:
    calls = record(make)
    steps = {call.name for call in calls}
    assert {
        "mkdir",
        "open_private",
        "close",
        "write",
        "rename",
        "link",
        "unlink",
        "rmdir",
        "remove_private",
        "sync",
    } <= steps
    moves = [call for call in calls if call.name == "rename"]
    assert len(moves) > 30


@pytest.mark.parametrize("comes_back", [True, False])
def test_its_process_is_killed(make: Make, comes_back: bool) -> None:
    for number, call, fault in points(record(make)):
        if fault is KILLED_AFTER and (comes_back or call.actor == "node"):
            live_through(make, number, fault, comes_back)
    live_through(make, 1, KILLED_BEFORE)


@pytest.mark.parametrize("kind", CALLS)
def test_it_fails(make: Make, kind: str) -> None:
    for number, _, fault in sample(fails(record(make), kind)):
        live_through(make, number, fault)


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", CALLS)
def test_each_fails(make: Make, kind: str) -> None:
    for number, _, fault in fails(record(make), kind):
        live_through(make, number, fault)

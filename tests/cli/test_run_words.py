"""What `distribute run` says of a job that has ended."""

from __future__ import annotations

import pytest

from distribute_cli.reports.running import say_end
from spoold.records import JobRecord, Outcome
from spoold.tickets import State


@pytest.mark.parametrize("seen", [State.CLAIMED, State.PUBLISHING, State.DONE])
@pytest.mark.parametrize(
    ("outcome", "reason", "said"),
    [
        (Outcome.DONE, "", "one: done in 2.0 s"),
        (Outcome.CANCELLED, "cancelled: it was ended", "one: cancelled after 2.0 s: it was ended"),
        (Outcome.FAILED, "exit code 1", "one: failed after 2.0 s: exit code 1"),
    ],
)
def test_how_it_ended_is_told_also_if_it_was_seen_running_just_before(
    seen: State, outcome: Outcome, reason: str, said: str
) -> None:
    record = JobRecord("ns", "b", "one", 1, "local", outcome, reason, 1.0, 3.0, 2.0)
    assert say_end("one", seen, record) == said

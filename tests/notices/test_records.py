"""Which end of a batch a notice is of, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spoold.notices.records import is_due, is_notice_name, make_notice, rest_s
from spoold.notices.rooms import _explain
from spoold.records import BatchHeader
from spoold.tickets import State, Ticket

HEADER = BatchHeader(
    1, "drop-1", "ns", "b", "command", "anna", 1000, 10.0, "b.yaml", 2, matrix="@anna:lab.test"
)
DONE = (State.DONE, Ticket("a", 1, "n1"))
LATEST = {"a": DONE, "b": (State.FAILED, Ticket("b", 1, "n2"))}


def test_whoever_sees_an_end_makes_the_same_notice() -> None:
    assert make_notice(HEADER, LATEST, 5.0) == replace(
        make_notice(HEADER, dict(reversed(LATEST.items())), 6.0), ended_at=5.0
    )


def test_each_end_of_a_batch_has_its_own() -> None:
    retried = {"a": DONE, "b": (State.FAILED, Ticket("b", 2, "n2"))}
    first, second = make_notice(HEADER, LATEST, 5.0), make_notice(HEADER, retried, 5.0)
    assert first.id != second.id
    assert second.attempts > first.attempts


def test_a_batch_that_took_anothers_name_has_its_own() -> None:
    other = replace(HEADER, id="drop-2")
    assert make_notice(HEADER, LATEST, 5.0).name != make_notice(other, LATEST, 5.0).name


@pytest.mark.parametrize(("given", "known"), [(2000, 2.0), (float("nan"), None), (-1, None), ("x", None)])
def test_a_home_server_that_talks_nonsense_silences_nobody_for_ever(given: Any, known: float | None) -> None:
    assert _explain(429, "M_LIMIT_EXCEEDED", "", given, "it").outcome.retry_after_s == known


def test_names() -> None:
    name = make_notice(HEADER, LATEST, 5.0).name
    assert is_notice_name(name)
    long = replace(HEADER, namespace="n" * 100, batch="b" * 100)
    assert len(make_notice(long, LATEST, 5.0).name) <= 255
    assert not any(
        map(is_notice_name, ["", "x", f".{name}", f"{name}.tmp", name.upper(), name.replace("~", "-")])
    )


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_rests_grow_and_end_within_hours(chance: float) -> None:
    rests = [rest_s(30.0, failures, chance) for failures in range(1, 60)]
    assert rests == sorted(rests)
    assert 20 <= rests[0] <= 40
    assert 2000 <= rests[-1] <= 5000


def test_a_clock_that_was_set_back_delays_nothing_for_long() -> None:
    notice = replace(make_notice(HEADER, LATEST, 5.0), next_at=1000.0)
    assert [is_due(notice, now) for now in (900.0, 1000.0, 1001.0, -1e9)] == [False, True, True, True]

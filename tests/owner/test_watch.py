"""The thread that looks: what it tells, when, and what it says of what it can't see."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from threading import current_thread

import pytest

from nodewatch.owner import (
    Aside,
    AsideSettings,
    Outside,
    OwnerPolicy,
    OwnerWatch,
    Schedule,
    Source,
    Stance,
    TerminalSource,
    Unknown,
)
from nodewatch.owner.watch import judge_schedule, say_unknown
from tests.support import wait_until

SHORT = OwnerPolicy(start_idle_s=2.0, active_within_s=0.1, continue_idle_s=0.2, sources=(Source.TERMINAL,))
NIGHTS = Schedule.parse("Mon-Fri 19:00-07:00; Sat-Sun")


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> dict[str, float | None]:
    """What the terminal source says."""
    said: dict[str, float | None] = {"s": math.inf}
    monkeypatch.setattr(TerminalSource, "look", lambda self, clock_s: said["s"])
    return said


def test_tells_what_changes(idle: dict[str, float | None]) -> None:
    told: list[tuple[Aside, str]] = []
    watch = OwnerWatch(
        AsideSettings(SHORT), lambda: 0.0, lambda aside: told.append((aside, current_thread().name))
    )
    watch.start()
    try:
        # At once, and by whoever starts it.
        assert [(aside.stance, who) for aside, who in told] == [(Stance.HOLD, current_thread().name)]
        wait_until(lambda: told[-1][0].stance is Stance.FREE, 5.0)
        idle["s"] = 0.0
        wait_until(lambda: told[-1][0].stance is Stance.SUSPEND, 5.0)
        assert told[-1][0].by == "owner" and told[-1][0].why == "somebody types in a terminal"
        assert told[-1][0].until is None
        idle["s"] = 1.0
        wait_until(lambda: told[-1][0].stance is Stance.HOLD, 5.0)
        idle["s"] = 3.0
        wait_until(lambda: told[-1][0].stance is Stance.FREE, 5.0)
        assert len(told) == 5
    finally:
        watch.close()


def test_off(idle: dict[str, float | None]) -> None:
    told: list[Aside] = []
    watch = OwnerWatch(AsideSettings(), lambda: 0.0, told.append)
    watch.start()
    watch.close()
    assert told == []


def test_the_stronger_of_two_wishes(idle: dict[str, float | None]) -> None:
    """It isn't lent in this hour; its owner is there, or isn't."""
    hour = datetime.now() + timedelta(hours=3)
    schedule = Schedule.parse(f"{hour:%a %H:%M}-{hour + timedelta(hours=1):%H:%M}")
    for outside, idle_s, expected in (
        (Outside.FINISH, math.inf, (Stance.HOLD, {"owner", "schedule"})),
        (Outside.FINISH, 0.0, (Stance.SUSPEND, {"owner"})),
        (Outside.EVICT, 0.0, (Stance.EVICT, {"schedule"})),
        (Outside.EVICT, math.inf, (Stance.EVICT, {"schedule"})),
    ):
        told: list[Aside] = []
        idle["s"] = idle_s
        watch = OwnerWatch(AsideSettings(SHORT, schedule, outside), lambda: 0.0, told.append)
        watch.start()
        watch.close()
        assert told[0].stance is expected[0]
        assert told[0].by in expected[1]
        if outside is Outside.EVICT:
            assert told[0].until == hour.replace(second=0, microsecond=0).timestamp()


@pytest.mark.parametrize(
    ("outside", "stance"),
    [
        (Outside.SUSPEND, Stance.SUSPEND),
        (Outside.EVICT, Stance.EVICT),
        (Outside.FINISH, Stance.HOLD),
    ],
)
def test_outside(outside: Outside, stance: Stance) -> None:
    day, night = datetime(2026, 11, 23, 12), datetime(2026, 11, 23, 20)
    assert judge_schedule(NIGHTS, outside, day).stance is stance
    assert judge_schedule(NIGHTS, outside, night).stance is Stance.FREE


def test_says_what_it_can_t_see(idle: dict[str, float | None]) -> None:
    idle["s"] = None
    told: list[Aside] = []
    watch = OwnerWatch(AsideSettings(SHORT), lambda: 0.0, told.append)
    watch.start()
    watch.close()
    assert watch.trouble == "can't see at all whether its owner is there (terminal): it counts as unused"


def test_texts_of_what_is_unknown() -> None:
    some, everything = (Source.SEAT,), OwnerPolicy().sources
    for unknown, which, text in (
        (Unknown.IGNORE, some, "only the rest counts"),
        (Unknown.IGNORE, everything, "counts as unused"),
        (Unknown.BUSY, some, "counts as used"),
        (Unknown.IDLE, everything, ""),
        (Unknown.IGNORE, (), ""),
    ):
        said = say_unknown(replace(OwnerPolicy(), unknown=unknown), which)
        assert text in said
        assert bool(said) is bool(text)

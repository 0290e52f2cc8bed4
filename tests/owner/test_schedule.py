"""Schedules: what they mean, over midnight, over Sunday, over changes of the clock; and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodewatch.owner import BadSchedule, Schedule

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = "Mon-Fri 19:00-07:00; Sat-Sun"
MONDAY = datetime(2026, 11, 23)


def at(text: str) -> datetime:
    """``Mon 18:59`` of a week in November."""
    day, clock = text.split()
    hour, minute = clock.split(":")
    number = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].index(day)
    return MONDAY + timedelta(days=number, hours=int(hour), minutes=int(minute))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (NIGHTS, "Mon 19:00,Tue 06:59,Fri 23:00,Sat 00:00,Sat 12:00,Sun 23:59", "Mon 00:00,Mon 18:59,Tue 07:00,Fri 12:00"),
        ("Sun 22:00-06:00", "Sun 22:00,Mon 05:59", "Mon 06:00,Sun 05:00,Tue 00:00"),
        ("22:00-06:00", "Mon 00:00,Wed 23:00,Sun 05:59", "Mon 06:00,Thu 21:59"),
        ("Fri-Mon", "Fri 00:00,Sat 12:00,Sun 12:00,Mon 23:59", "Tue 00:00,Thu 23:59"),
        ("Mon-Fri 12:00-13:00, 19:00-07:00, Sat", "Mon 12:30,Mon 20:00,Sat 20:00", "Mon 13:00,Sun 12:00"),
        ("sat 8:00 - 24:00;MONDAY 00:00-01:00", "Sat 23:59,Mon 00:59", "Sun 00:00,Mon 01:00,Sat 07:59"),
        ("Sat, Sun", "Sat 00:00,Sun 23:59", "Mon 00:00,Fri 23:59"),
        ("Mon 07:00-06:59", "Mon 07:00,Tue 06:58", "Tue 06:59,Mon 06:59"),
    ],
)  # fmt: skip
def test_meaning(text: str, inside: str, outside: str) -> None:
    schedule = Schedule.parse(text)
    assert [when for when in inside.split(",") if not schedule.available(at(when))] == []
    assert [when for when in outside.split(",") if schedule.available(at(when))] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty", "accepted"]),
        (" ; ", ["names no days", "accepted"]),
        ("Mon-Fri 19-07", ["'Mon-Fri 19-07'", "'19-07' are no hours", "19:00-07:00"]),
        ("Sat; Mun 19:00-07:00", ["'Mun 19:00-07:00'", "'Mun' is no day", "Mon, Tue"]),
        ("Mon 25:00-07:00", ["25:00", "00:00 to 23:59"]),
        ("Mon 24:00-07:00", ["00:00 to 23:59"]),
        ("Mon 12:00-13:75", ["13:75", "00:00 to 23:59"]),
        ("Mon 07:00-07:00", ["begins when it ends", "write the day alone"]),
        ("Mon Tue", ["'Mon Tue'", "no range"]),
        ("Sat,,Sun", ["''", "no range"]),
        ("Sat-Sun, Mon-Fri 19:00-07:00", ["'Sat-Sun' meant as whole days?", "write `;`"]),
        ("weekdays", ["'weekdays' is no day"]),
    ],
)
def test_refused(text: str, words: list[str]) -> None:
    with pytest.raises(BadSchedule) as caught:
        Schedule.parse(text)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("text", "when", "change"),
    [
        (NIGHTS, "Mon 12:00", "Mon 19:00"),
        (NIGHTS, "Mon 19:00", "Tue 07:00"),
        ("Mon 08:00-09:00, 09:00-10:00", "Mon 08:30", "Mon 10:00"),
        ("Sat-Sun", "Sun 23:59", None),
    ],
)
def test_next_change(text: str, when: str, change: str | None) -> None:
    expected = at(change) if change else MONDAY + timedelta(days=7)
    assert Schedule.parse(text).next_change(at(when)) == expected


def test_over_the_weekend() -> None:
    assert Schedule.parse(NIGHTS).next_change(at("Fri 20:00")) == MONDAY + timedelta(days=7)


def test_never_another() -> None:
    assert Schedule.parse("Mon-Sun").next_change(at("Mon 12:00")) is None
    assert Schedule.parse("00:00-24:00").next_change(at("Mon 12:00")) is None


def test_the_clock_skips_an_hour() -> None:
    """29 March 2026 in Berlin: after 01:59 comes 03:00. What begins at 02:30 begins at 03:00."""
    schedule = Schedule.parse("Sun 02:30-05:00")
    change = schedule.next_change(datetime(2026, 3, 29, 1, 0, tzinfo=BERLIN))
    assert change is not None
    assert (change.hour, change.minute) == (3, 0)
    assert change.astimezone(UTC) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    end = schedule.next_change(change)
    assert end is not None
    assert end.astimezone(UTC) == datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def test_the_clock_repeats_an_hour() -> None:
    """25 October 2026 in Berlin: after 02:59 comes 02:00 again. What is lent at 02:15 is lent twice."""
    schedule = Schedule.parse("Sun 02:00-02:30")
    when: datetime | None = datetime(2026, 10, 25, 1, 0, tzinfo=BERLIN)
    changes = []
    for _ in range(4):
        assert when is not None
        when = schedule.next_change(when)
        assert when is not None
        changes.append(when.astimezone(UTC).strftime("%H:%M"))
    assert changes == ["00:00", "00:30", "01:00", "01:30"]


def test_a_night_is_an_hour_longer_or_shorter() -> None:
    schedule = Schedule.parse("Sat 19:00-07:00")
    for evening, hours in (((2026, 3, 28), 11), ((2026, 10, 24), 13), ((2026, 11, 21), 12)):
        begin = schedule.next_change(datetime(*evening, 12, tzinfo=BERLIN))
        assert begin is not None and (begin.hour, begin.minute) == (19, 0)
        end = schedule.next_change(begin)
        assert end is not None and (end.hour, end.minute) == (7, 0)
        assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=hours)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]), st.integers(0, 1439), st.integers(0, 1439)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 365 * 24 * 60),
)  # fmt: skip
def test_nothing_changes_before_the_next_change(ranges: list[tuple[str, int, int]], minute: int) -> None:
    pieces = [
        f"{day} {begin // 60}:{begin % 60:02}-{end // 60}:{end % 60:02}"
        for day, begin, end in ranges
        if begin != end
    ]
    schedule = Schedule.parse("; ".join(pieces or ["Mon"]))
    when = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).astimezone(BERLIN)
    change = schedule.next_change(when)
    now = schedule.available(when)
    assert change is not None
    assert schedule.available(change) is not now
    between = (change.astimezone(UTC) - when.astimezone(UTC)) / 7
    for part in range(7):
        assert schedule.available((when.astimezone(UTC) + part * between).astimezone(BERLIN)) is now

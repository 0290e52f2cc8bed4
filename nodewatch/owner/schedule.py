"""The hours of the week in which a machine is lent, as people write them. Pure: no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from distribute_compute_config.errors import DistributeError

SCHEDULE_FORMS = 'ranges such as "Mon-Fri 19:00-07:00; Sat-Sun", "Sat 08:00-20:00" or "22:00-06:00"'

_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_item = re.compile(r"(?P<days>[a-z]+(?:\s*-\s*[a-z]+)?)?\s*(?P<hours>[0-9].*)?", re.ASCII | re.IGNORECASE)
_hours = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})", re.ASCII)


class BadSchedule(DistributeError):
    """A text is no schedule."""

    exit_code = 2


class Outside(Enum):
    """What is done with jobs outside the schedule: stop them, end them here, or let them run to their end."""

    SUSPEND = "suspend"
    EVICT = "evict"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Ranges of minutes since Monday 00:00; one that ends after its week goes on at the week's beginning.

    What counts is what a clock on the wall shows: an hour that a change of daylight-saving time repeats is
    lent both times.
    """

    text: str
    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read ``Mon-Fri 19:00-07:00; Sat-Sun``. Raises BadSchedule naming the piece that is wrong.

        ``;`` and ``,`` separate ranges. Hours belong to the days in front of them, to every day where there
        are none; days without hours are whole. Hours that end before they begin end on the next day.
        """
        if not text.strip():
            raise BadSchedule("the schedule is empty", f"accepted: {SCHEDULE_FORMS}")
        ranges = [found for clause in text.split(";") if clause.strip() for found in _read_clause(clause)]
        if not ranges:
            raise _complain(text, "it names no days and no hours")
        return cls(text.strip(), tuple(ranges))

    def available(self, when: datetime) -> bool:
        """Whether the machine is lent at that time; a time without zone is local."""
        minute = when.weekday() * _DAY_MIN + when.hour * 60 + when.minute
        return any(begin <= at < end for begin, end in self.ranges for at in (minute, minute + _WEEK_MIN))

    def next_change(self, when: datetime) -> datetime | None:
        """The first time after ``when`` at which ``available`` is another; None if it never is."""
        now = self.available(when)
        # A week, and an hour more or less for a change of the clock on the way.
        minute = when.timestamp() // 60 + 1
        for later in range(_WEEK_MIN + 120):
            # By way of the instant, for the wall clock may skip or repeat hours.
            then = datetime.fromtimestamp((minute + later) * 60, when.tzinfo)
            if self.available(then) is not now:
                return then
        return None


def _read_clause(clause: str) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    days: range | list[int] = range(7)
    whole = ""
    for piece in clause.split(","):
        found = _item.fullmatch(piece.strip())
        if found is None or not piece.strip():
            raise _complain(piece, "it is no range")
        if found["days"]:
            days = _read_days(found["days"], piece)
        if whole and found["hours"]:
            raise _complain(
                clause,
                f"is {whole.strip()!r} meant as whole days?",
                "write `;` after days that are whole; repeat the hours after each of the others",
            )
        if found["hours"]:
            begin, end = _read_hours(found["hours"], piece)
        else:
            begin, end, whole = 0, _DAY_MIN, piece
        ranges += [(day * _DAY_MIN + begin, day * _DAY_MIN + end) for day in days]
    return ranges


def _read_days(text: str, piece: str) -> list[int]:
    first, _, last = (part.strip() for part in text.partition("-"))
    begin = _read_day(first, piece)
    end = _read_day(last, piece) if last else begin
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]


def _read_day(name: str, piece: str) -> int:
    for number, day in enumerate(_DAYS):
        if name.lower() in (day, day[:3]):
            return number
    raise _complain(piece, f"{name!r} is no day; days are Mon, Tue, Wed, Thu, Fri, Sat, Sun")


def _read_hours(text: str, piece: str) -> tuple[int, int]:
    """Minutes of the day; the end is beyond midnight where it lies on the next day."""
    found = _hours.fullmatch(text.strip())
    if found is None:
        raise _complain(piece, f"{text.strip()!r} are no hours such as 19:00-07:00")
    hour, minute, end_hour, end_minute = map(int, found.groups())
    begin, end = timedelta(hours=hour, minutes=minute), timedelta(hours=end_hour, minutes=end_minute)
    day = timedelta(days=1)
    if max(minute, end_minute) > 59 or begin >= day or end > day:
        raise _complain(piece, f"{text.strip()!r}: times of day are 00:00 to 23:59, and 24:00 for an end")
    if begin == end:
        raise _complain(piece, "it begins when it ends; for a whole day write the day alone")
    return begin // timedelta(minutes=1), (end if end > begin else end + day) // timedelta(minutes=1)


def _complain(piece: str, why: str, instead: str = "") -> BadSchedule:
    return BadSchedule(f"schedule: {piece.strip()!r}", why, instead or f"accepted: {SCHEDULE_FORMS}")

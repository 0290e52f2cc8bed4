"""Numbers, sizes and times in words for people. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def say_size(size_bytes: int) -> str:
    """``512 B``, ``1.5 GiB``."""
    amount = float(size_bytes)
    for unit in _UNITS[:-1]:
        if amount < _STEP:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _STEP
    return f"{amount:.1f} {_UNITS[-1]}"


def say_duration(seconds: float) -> str:
    """``12 s``, ``3 min``, ``1 h 20 min``, ``2 d 3 h``; what lies in the future is 0 s."""
    if not math.isfinite(seconds):
        return "?"
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return _two(whole, _HOUR_S, "h", _MINUTE_S, "min")
    return _two(whole, _DAY_S, "d", _HOUR_S, "h")


def _two(whole: int, unit_s: int, unit: str, part_s: int, part: str) -> str:
    rest = whole % unit_s // part_s
    return f"{whole // unit_s} {unit} {rest} {part}" if rest else f"{whole // unit_s} {unit}"


def say_time(at: float, now: float) -> str:
    """Local time of the day, with the date unless it is today's; ``?`` for what no calendar has."""
    from datetime import datetime

    try:
        then = datetime.fromtimestamp(at)
    except (ValueError, OverflowError, OSError):
        return "?"
    same_day = then.date() == datetime.fromtimestamp(now).date()
    return then.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")


def join(names: Sequence[str], last: str = "and", at_most: int = 5) -> str:
    """``a``, ``a and b``, ``a, b and c``; of many, the first and how many more."""
    if len(names) > at_most:
        return f"{', '.join(names[:at_most])} {last} {len(names) - at_most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"

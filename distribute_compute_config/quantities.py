"""Amounts of memory and time as people write them, to bytes and seconds and back."""

from __future__ import annotations

import math
import re
import sys

MEMORY_FORMS = "12G, 512M, 1.5GiB, or a whole number of bytes"
DURATION_FORMS = (
    "2h, 1h30m10s, 90s, 1:00:00 (hours:minutes:seconds) or 2-00:00:00 (days-hours:minutes:seconds)"
)

# Units are powers of 1024, as in Slurm, with or without the "i": memory isn't sold in powers of 1000.
_MEMORY_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}
_memory = re.compile(
    r"([0-9]{1,30}(?:\.[0-9]{1,9})?) ?(?:([KMGTP]?)(?:B|(?<=[KMGTP])iB?)?)", re.ASCII | re.IGNORECASE
)
_units = re.compile(
    r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,18}(?:\.[0-9]{1,30})?(?:e[-+][0-9]{1,3})?)s)?",
    re.ASCII,
)
_clock = re.compile(r"(?:([0-9]{1,9})-)?([0-9]{1,9}):([0-9]{2}):([0-9]{2})", re.ASCII)


def parse_memory(written: str | int) -> int:
    """Bytes meant by ``written``; K, M, G, T and P are powers of 1024.

    Raises ValueError, naming the accepted forms.
    """
    if isinstance(written, int) and not isinstance(written, bool):
        size_bytes: float = written
    else:
        found = _memory.fullmatch(written.strip()) if isinstance(written, str) else None
        if found is None:
            raise ValueError(f"{written!r} is not an amount of memory; accepted: {MEMORY_FORMS}")
        size_bytes = _scale(found[1], _MEMORY_UNITS[found[2].upper()])
    if size_bytes <= 0 or size_bytes != int(size_bytes):
        raise ValueError(f"{written!r} is not a positive, whole number of bytes; accepted: {MEMORY_FORMS}")
    return int(size_bytes)


def _scale(digits: str, unit: int) -> float:
    return float(digits) * unit if "." in digits else int(digits) * unit


def format_memory(size_bytes: int) -> str:
    """The shortest exact form: ``parse_memory(format_memory(n)) == n`` for every positive n."""
    for suffix, unit in reversed(_MEMORY_UNITS.items()):
        if size_bytes >= unit and size_bytes % unit == 0:
            return f"{size_bytes // unit}{suffix}"
    raise ValueError(f"{size_bytes!r} is not a positive, whole number of bytes")


def parse_duration(written: str | int | float) -> float:
    """Seconds meant by ``written``; a number (not a text of digits: minutes or seconds?) is seconds.

    Raises ValueError, naming the accepted forms.
    """
    if isinstance(written, int | float) and not isinstance(written, bool):
        duration_s = float(written) if written <= sys.float_info.max else math.inf
    else:
        found = _parse_written(written) if isinstance(written, str) else None
        if found is None:
            raise ValueError(f"{written!r} is not a length of time; accepted: {DURATION_FORMS}")
        duration_s = found
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"{written!r} is not a positive length of time; accepted: {DURATION_FORMS}")
    return duration_s


def _parse_written(written: str) -> float | None:
    """Seconds, or None where the form is unknown."""
    text = written.strip()
    if text and (found := _units.fullmatch(text)):
        days, hours, minutes = (int(part or 0) for part in found.groups()[:3])
        return days * 86400 + hours * 3600 + minutes * 60 + float(found[4] or 0)
    if found := _clock.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        if minutes < 60 and seconds < 60:
            return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)
    return None


def format_duration(duration_s: float) -> str:
    """A form that ``parse_duration`` reads back exactly: ``1d2h``, ``1h30m10s``, ``0.25s``."""
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"{duration_s!r} is not a positive length of time")
    if duration_s != int(duration_s) or duration_s >= 1e9 * 86400:
        return f"{duration_s!r}s"
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount)

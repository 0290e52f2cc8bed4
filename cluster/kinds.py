"""The types of options, and how a value becomes one of them. Pure."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import Enum
from fractions import Fraction
from typing import Any

from distribute_compute_config.quantities import (
    DURATION_FORMS,
    MEMORY_FORMS,
    parse_duration,
    parse_memory,
)

_MIB = 1024**2
_WORD = re.compile(r"[\w.+%/@=~^][\w.+%/@=~^*:,-]*", re.ASCII)
_AMOUNT = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)", re.ASCII)
#: ``123``, ``123_4``, ``123[4].server``, ``namespace/batch/job``.
JOB_ID = re.compile(r"[0-9A-Za-z][\w./@\[\]-]*", re.ASCII)
_SWITCHES = {"true": True, "yes": True, "on": True, "1": True}
_SWITCHES |= {"false": False, "no": False, "off": False, "0": False}


class Kind(Enum):
    """What an option's value is; the value of a member is how people are told."""

    COUNT = "a whole number above 0"
    AMOUNT = "a whole number, 0 or more"
    NUMBER = "a whole number"
    TEXT = "a text"
    WORD = "a word"
    TEXTS = "a list of texts"
    WORDS = "a list of words"
    MEMORY = "memory in MB, or a text such as 2GB"
    TIME = "a length of time such as 2:00:00 or 2h"
    SWITCH = "True or False"
    JOBS = "a job, an id, or a list of them"

    @property
    def python(self) -> str:
        """The Python type of a sanitised value, for tables."""
        return _PYTHON[self]


_PYTHON = {
    Kind.COUNT: "int",
    Kind.AMOUNT: "int",
    Kind.NUMBER: "int",
    Kind.TEXT: "str",
    Kind.WORD: "str",
    Kind.TEXTS: "list",
    Kind.WORDS: "list",
    Kind.MEMORY: "int (MB)",
    Kind.TIME: "str (H:MM:SS)",
    Kind.SWITCH: "bool",
    Kind.JOBS: "list",
}


def sanitise(name: str, kind: Kind, value: object) -> Any:
    """``value`` as the option ``name`` of this kind has it.

    Memory becomes whole MB (of 1024² bytes, rounded up), a time ``HH:MM:SS``, a list option a list.
    Raises TypeError naming option, value and wanted type, ValueError for what can't be read.
    """
    return _READERS[kind](name, kind, value)


def _wrong_type(name: str, kind: Kind, value: object) -> TypeError:
    return TypeError(f"{name}={value!r} is of type {type(value).__name__}; {name} must be {kind.value}")


def _read_number(name: str, kind: Kind, value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r" *[+-]?[0-9]{1,18} *", value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong_type(name, kind, value)


def _read_count(name: str, kind: Kind, value: object) -> int:
    return _at_least(1, name, kind, value)


def _read_amount(name: str, kind: Kind, value: object) -> int:
    return _at_least(0, name, kind, value)


def _at_least(least: int, name: str, kind: Kind, value: object) -> int:
    number = _read_number(name, kind, value)
    if number < least:
        raise ValueError(f"{name}={value!r}: {name} must be {kind.value}")
    return number


def _read_text(name: str, kind: Kind, value: object) -> str:
    if isinstance(value, Enum) or not isinstance(value, str | os.PathLike):
        raise _wrong_type(name, kind, value)
    text = os.fspath(value)
    if not isinstance(text, str):
        raise _wrong_type(name, kind, value)
    text = text.strip(" ")
    # A line break would end the line of a job script, and begin one of its own.
    if not text.isprintable():
        raise ValueError(f"{name}={text!r} has a line break or another control character")
    if not text:
        raise ValueError(f"{name}={text!r} is empty")
    return text


def _read_word(name: str, kind: Kind, value: object) -> str:
    word = _read_text(name, kind, value)
    if not _WORD.fullmatch(word):
        raise ValueError(f"{name}={word!r} is not a word: letters, digits and _.+%/@=~^*:,- only")
    return word


def _read_texts(name: str, kind: Kind, value: object) -> list[str]:
    return [_read_text(name, kind, item) for item in _items(name, kind, value)]


def _read_words(name: str, kind: Kind, value: object) -> list[str]:
    if isinstance(value, str):
        value = _split(value)
    words = [_read_word(name, kind, item) for item in _items(name, kind, value)]
    if odd := [word for word in words if "," in word]:
        raise ValueError(f"{name}={odd[0]!r}: a word of a list can't have a comma in it")
    return words


def _split(text: str) -> list[str]:
    return [part.strip(" ") for part in text.split(",")] if text else []


def _items(name: str, kind: Kind, value: object) -> list[object]:
    if isinstance(value, str | os.PathLike):
        return [value]
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        raise _wrong_type(name, kind, value)
    return sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)


def _read_memory(name: str, kind: Kind, value: object) -> int:
    forms = f"accepted: {MEMORY_FORMS.rpartition(', or')[0]}, or a whole number of MB"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong_type(name, kind, value)
    try:
        return _parse_mb(str(value).strip())
    except ValueError:
        raise ValueError(f"{name}={value!r} is not an amount of memory; {forms}") from None


def _parse_mb(text: str) -> int:
    """Whole MB, rounded up: unlike in a job file, 1.3G need not be a whole number of bytes."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    # A number alone is MB, as it is to Slurm.
    size_mb = math.ceil(Fraction(found[1]) * parse_memory(f"1{found[2] or 'M'}") / _MIB)
    if size_mb < 1:
        raise ValueError(text)
    return size_mb


def _read_time(name: str, kind: Kind, value: object) -> str:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong_type(name, kind, value)
    try:
        return format_clock(parse_duration(value))
    except ValueError:
        raise ValueError(
            f"{name}={value!r} is not a length of time; accepted: {DURATION_FORMS}, or a number of seconds"
        ) from None


def format_clock(duration_s: float) -> str:
    """``HH:MM:SS``, rounded up to whole seconds; Slurm and Torque also read more than 24 hours."""
    minutes, seconds = divmod(math.ceil(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def _read_switch(name: str, kind: Kind, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (switch := _SWITCHES.get(value.strip().lower())) is not None:
        return switch
    raise _wrong_type(name, kind, value)


def _read_jobs(name: str, kind: Kind, value: object) -> list[object]:
    """Ids become texts; an object that stands for a job stays, as its id may not be known yet."""
    if isinstance(value, str):
        return [_read_job(name, kind, part) for part in _split(value)]
    jobs = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    return [_read_job(name, kind, job) for job in jobs]


def _read_job(name: str, kind: Kind, job: object) -> object:
    if job is None or isinstance(job, bool | float | bytes | Mapping):
        raise _wrong_type(name, kind, job)
    if not isinstance(job, str | int):
        return job
    if not JOB_ID.fullmatch(str(job)):
        raise ValueError(f"{name}={job!r} is not the id of a job")
    return str(job)


_READERS = {
    Kind.COUNT: _read_count,
    Kind.AMOUNT: _read_amount,
    Kind.NUMBER: _read_number,
    Kind.TEXT: _read_text,
    Kind.WORD: _read_word,
    Kind.TEXTS: _read_texts,
    Kind.WORDS: _read_words,
    Kind.MEMORY: _read_memory,
    Kind.TIME: _read_time,
    Kind.SWITCH: _read_switch,
    Kind.JOBS: _read_jobs,
}

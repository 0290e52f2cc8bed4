"""Records as JSON, and back. Pure.

Reading is tolerant of fields that a later version added and strict about those it needs: a record that lacks
one raises ``RecordError``. A kind of record with a class variable ``sparse`` leaves out what has its default.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from distribute_compute_config.errors import DistributeError

T = TypeVar("T")


class RecordError(DistributeError):
    """A record of the spool can't be read."""


def encode(record: Any) -> bytes:
    """The record as JSON with a newline at its end."""
    return (json.dumps(record, default=_plain, separators=(",", ":")) + "\n").encode()


def decode(kind: type[T], data: bytes, source: object) -> T:
    """The record of type ``kind`` in ``data``. Raises RecordError naming ``source``."""
    try:
        return typing.cast(T, _reader(typing.cast(Any, kind))(json.loads(data)))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RecordError(f"{source} is no {kind.__name__}", _say_why(error)) from error


def _say_why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return f"it isn't JSON: {error}"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return "a field is missing in it, or of another form"


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    kind = type(value)
    if getattr(kind, "sparse", False):
        # Thousands of jobs in one file: what has its default is left out.
        defaults = _defaults(typing.cast(Any, kind))
        return {f: v for f, default in defaults if (v := getattr(value, f)) != default}
    if dataclasses.is_dataclass(kind):
        return {f: getattr(value, f) for f in _field_names(typing.cast(Any, kind))}
    raise TypeError(f"not a record's value: {value!r}")


@cache
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default) for f in dataclasses.fields(kind))


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """A function that turns what ``json`` gives into ``kind``; made once a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _optional(_reader(next(a for a in arguments if a is not type(None))))
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda values: tuple([item(v) for v in _listed(values)])
    if origin is dict:
        item = _reader(arguments[1])
        return lambda values: {str(k): item(v) for k, v in values.items()}
    if dataclasses.is_dataclass(kind):
        return _record_reader(kind)
    if kind is float:
        return _number
    if issubclass(kind, Enum):
        return typing.cast(Callable[[Any], Any], kind)
    return _checked(kind)


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):  # a text would pass as a list of its letters
        raise TypeError(f"{value!r} is no list")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _checked(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # Exactly: True is an instance of int.
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return read


def _record_reader(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = {f.name: _reader(hints[f.name]) for f in dataclasses.fields(kind)}

    def read(values: Any) -> Any:
        return kind(**{name: readers[name](values[name]) for name in values.keys() & readers.keys()})

    return read

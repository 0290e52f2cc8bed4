"""Finding out which part of an object it is that can't be pickled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FunctionType, MethodType
from typing import Any

_DEPTH_MAX = 8
_PARTS_MAX = 200


@dataclass(frozen=True, slots=True)
class Culprit:
    """The smallest part that can't be pickled; ``path`` is how to get there: ``train: the global lock``."""

    path: str
    value: object
    why: str

    def describe(self) -> str:
        """``train: the global lock, a _thread.lock``."""
        kind = type(self.value)
        known = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        return f"{self.path}, a {known}"


def find_culprit(value: object, path: str, dump: Callable[[object], object]) -> Culprit:
    """Of a value that ``dump`` raises for: the part, as far down as can be followed, that it raises for."""
    return _search(value, path, dump, _DEPTH_MAX, set())


def _search(
    value: object, path: str, dump: Callable[[object], object], depth: int, seen: set[int]
) -> Culprit:
    seen.add(id(value))
    if depth:
        for name, part in islice(_parts(value, path), _PARTS_MAX):
            if id(part) not in seen and _refuses(part, dump):
                return _search(part, name, dump, depth - 1, seen)
    try:
        dump(value)
    except Exception as error:  # noqa: BLE001 - that it raises is what is looked for
        return Culprit(path, value, str(error) or type(error).__name__)
    return Culprit(path, value, "")


def _refuses(value: object, dump: Callable[[object], object]) -> bool:
    try:
        dump(value)
    except Exception:  # noqa: BLE001 - likewise
        return True
    return False


def _parts(value: object, path: str) -> Iterator[tuple[str, object]]:
    """What a value is made of, each with the path to it."""
    if isinstance(value, FunctionType):
        yield from _function_parts(value, path)
    elif isinstance(value, MethodType):
        yield f"{path}: its self", value.__self__
        yield path, value.__func__
    elif isinstance(value, Mapping | list | tuple | set | frozenset):
        yield from _members(value, path)
    elif not isinstance(value, type):
        for name, one in _attributes(value):
            yield f"{path}.{name}", one


def _members(value: Mapping[Any, Any] | Collection[Any], path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield f"{path}[{key!r}]", one
            yield f"the key {key!r} of {path}", key
        return
    for index, one in enumerate(value):
        yield (f"{path}[{index}]" if isinstance(value, list | tuple) else f"a member of {path}"), one


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    yield from getattr(value, "__dict__", {}).items()
    # functools.partial
    for name in ("func", "args", "keywords"):
        if hasattr(type(value), name) and callable(value):
            yield name, getattr(value, name)


def _function_parts(function: FunctionType, path: str) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{path}: its variable {name}", cell.cell_contents
        except ValueError:
            continue  # not set yet
    for name in dict.fromkeys(_names(function.__code__)):
        if name in function.__globals__:
            yield f"{path}: the global {name}", function.__globals__[name]
    for index, value in enumerate(function.__defaults__ or ()):
        yield f"{path}: its default {index}", value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f"{path}: its default of {name}", value


def _names(code: CodeType) -> Iterator[str]:
    """The names that code looks up, and the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

"""What is wrong with a call of the Python API: which function, which parameter, and what to write instead."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from distribute_compute_config.errors import DistributeError
from distribute_compute_config.names import shorten
from distribute_compute_config.problems import describe_loc

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_ITEMS_MAX = 1_000_000
_WANTED = {
    "string_type": "text (str)",
    "bool_type": "True or False",
    "int_type": "a whole number (int)",
    "tuple_type": "a list",
}


class WrongType(DistributeError, TypeError):
    """A function of the Python API was given a value of another type than it takes, or a wrong keyword."""

    # What a traceback calls it, and how it is imported.
    __module__ = "distribute_compute_config"


class WrongValue(DistributeError, ValueError):
    """A function of the Python API was given a value that no job file can have."""

    __module__ = "distribute_compute_config"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of ``function``; ``parameters`` tells how it calls fields that have other names in a model."""

    function: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def wrong_type(self, parameter: str, value: object, wanted: str, hint: str = "") -> WrongType:
        """The error for ``value``, where something else is ``wanted``."""
        return WrongType(f"{self.function}(): {parameter}", f"{wanted} is wanted, not {_show(value)}", hint)

    def wrong_value(self, parameter: str, why: str, hint: str = "") -> WrongValue:
        """The error for a value that is of the right type."""
        return WrongValue(f"{self.function}(): {parameter}", why, hint)

    def check_keywords(self, given: Iterable[object], known: Iterable[str], within: str = "") -> None:
        """Raise WrongType for the first keyword that isn't known, or key of the dict ``within``."""
        names = list(known)
        for one in given:
            if one not in names:
                near = get_close_matches(str(one), names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
                holder = f"(): {within} has no key" if within else "() has no parameter"
                raise WrongType(f"{self.function}{holder} {one!r}", "", hint)

    def path(self, parameter: str, value: object) -> str:
        """The text of a path. Raises WrongType."""
        if isinstance(value, str | os.PathLike) and isinstance(text := os.fspath(value), str):
            return text
        raise self.wrong_type(parameter, value, "a path (str or pathlib.Path)")

    def listed(self, parameter: str, value: object, hint: str = "") -> tuple[object, ...]:
        """The items of a list or of anything like it; text is none. Raises WrongType or WrongValue."""
        if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | BaseModel):
            items = tuple(islice(value, _ITEMS_MAX + 1))
            if len(items) > _ITEMS_MAX:
                raise self.wrong_value(
                    parameter, f"it has more than {_ITEMS_MAX} items", "make several batches"
                )
            return items
        raise self.wrong_type(parameter, value, "a list", hint)

    def instance(
        self, parameter: str, value: object, kind: type[T] | tuple[type[T], ...], wanted: str, hint: str = ""
    ) -> T:
        """``value``, if it is of ``kind``, which is ``wanted`` in words. Raises WrongType."""
        if isinstance(value, kind):
            return value
        raise self.wrong_type(parameter, value, wanted, hint)

    def build(self, model: type[M], given: Mapping[str, Any]) -> M:
        """The model of these fields. Raises WrongType or WrongValue for the first that is wrong."""
        try:
            return model(**given)
        except ValidationError as error:
            raise self._explain(error.errors(include_url=False)[0]) from None

    def _explain(self, error: ErrorDetails) -> WrongType | WrongValue:
        loc, kind = error["loc"], error["type"]
        place = describe_loc((self.parameters.get(str(loc[0]), loc[0]), *loc[1:])) if loc else "the batch"
        if kind == "job_file":
            return self.wrong_value(place, error["ctx"]["why"], error["ctx"]["instead"])
        if kind == "greater_than_equal":
            return self.wrong_value(
                place, f"{error['input']} is too small", f"write {error['ctx']['ge']} or more"
            )
        if kind == "less_than_equal":
            return self.wrong_value(
                place, f"{error['input']} is too large", f"write {error['ctx']['le']} or less"
            )
        if kind == "model_type":
            return self.wrong_type(place, error["input"], f"what {loc[-1]}(...) returns, or a dict,")
        if kind in _WANTED:
            return self.wrong_type(place, error["input"], _WANTED[kind])
        return self.wrong_value(place, error["msg"][:1].lower() + error["msg"][1:])


def _show(value: object) -> str:
    """``'gpu' (str)``, ``a Job``; of what is long the beginning."""
    if value is None:
        return "None"
    if isinstance(value, BaseModel):
        return f"a {type(value).__name__}"
    text = shorten(value) if isinstance(value, str) else repr(value)
    return f"{text if len(text) <= 80 else f'{text[:80]}…'} ({type(value).__name__})"

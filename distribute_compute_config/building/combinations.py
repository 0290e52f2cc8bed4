"""``sweep(...)``: parameters and their values, for a job that stands for many or for a loop in Python."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real

from distribute_compute_config.building.calls import Call
from distribute_compute_config.names import shorten
from distribute_compute_config.sweeps import (
    VALUE_CHARACTERS_MAX,
    Mode,
    Sweep,
    find_placeholders,
    is_parameter,
)


@dataclass(frozen=True, slots=True)
class Combinations:
    """The parameters of a sweep with their values, and how these are combined.

    Iterating gives a dict a combination, with the values as they were given; of a product the last parameter
    changes fastest. ``len()`` is the number of combinations.
    """

    mode: Mode
    parameters: tuple[tuple[str, tuple[object, ...]], ...]

    def __iter__(self) -> Iterator[dict[str, object]]:
        names = [name for name, _ in self.parameters]
        lists = [values for _, values in self.parameters]
        several = itertools.product(*lists) if self.mode is Mode.PRODUCT else zip(*lists, strict=True)
        return (dict(zip(names, values, strict=True)) for values in several)

    def __len__(self) -> int:
        lengths = [len(values) for _, values in self.parameters]
        return math.prod(lengths) if self.mode is Mode.PRODUCT else min(lengths)

    def written(self) -> Sweep:
        """With the values as they stand in a job file."""
        texts = ((name, tuple(map(write_value, values))) for name, values in self.parameters)
        return Sweep(self.mode, tuple(texts))


def sweep(
    values: Mapping[str, Iterable[object]] | None = None,
    /,
    *,
    zip: bool = False,
    **parameters: Iterable[object],
) -> Combinations:
    """Combine the values of parameters: ``sweep(re=[100, 400], n=[64, 128])``.

    ``values``: parameters and their values as a dict, instead of or beside keywords.
    ``zip``: False makes each combination of all values, True takes first with first, second with second.
    ``parameters``: for each parameter a list of text and numbers. A number is written with as many digits as
    it needs; text stays as it is.

    Give the result to ``job(..., sweep=...)``, which replaces ``{re}`` and ``{n}``, or loop over it.

    Raises WrongType: something is no list of text and numbers. Raises WrongValue: no values, lists of
    different lengths with ``zip``, or a name that no parameter can have.
    """
    call = Call("sweep")
    call.instance("zip", zip, bool, "True or False")
    given = call.instance("values", values or {}, Mapping, "a dict of lists")
    return combine(call, {**given, **parameters}, Mode.ZIP if zip else Mode.PRODUCT)


def combine(call: Call, given: Mapping[str, Iterable[object]], mode: Mode = Mode.PRODUCT) -> Combinations:
    """The combinations of these values, for ``call``. Raises WrongType or WrongValue."""
    if not given:
        raise call.wrong_value("parameters", "there are none", "write sweep(re=[100, 400])")
    for name in given:
        _check_name(call, name)
    found = tuple((name, _check_values(call, name, listed, given)) for name, listed in given.items())
    lengths = {len(listed) for _, listed in found}
    if mode is Mode.ZIP and len(lengths) > 1:
        counts = ", ".join(f"{name} has {len(listed)}" for name, listed in found)
        raise call.wrong_value("zip", f"{counts} values, and zip wants as many of each", "leave zip out")
    return Combinations(mode, found)


def write_value(value: object) -> str:
    """How a value stands in a job file. Raises TypeError."""
    if isinstance(value, bool) or value is None:
        raise TypeError("text or a number")
    if isinstance(value, str | os.PathLike) and isinstance(text := os.fspath(value), str):
        return str(text)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, float):
        # Also of numpy's float64, whose own repr names its type.
        return float.__repr__(value)
    if isinstance(value, Real | Decimal):
        return str(value)
    raise TypeError("text or a number")


def _check_name(call: Call, name: object) -> None:
    if not isinstance(name, str) or not is_parameter(name):
        why = "a parameter has letters, digits and '_', no digit first, and isn't called product or zip"
        raise call.wrong_value(repr(name), why, "write another name")


def _check_values(call: Call, name: str, values: object, names: Iterable[str]) -> tuple[object, ...]:
    listed = call.listed(name, values, f"write {name}=[100, 400]")
    if not listed:
        raise call.wrong_value(name, "the list is empty", "write at least one value")
    for index, value in enumerate(listed):
        _check_value(call, f"{name}[{index}]", value, names)
    return listed


def _check_value(call: Call, place: str, value: object, names: Iterable[str]) -> None:
    try:
        text = write_value(value)
    except TypeError as error:
        raise call.wrong_type(place, value, str(error)) from None
    if len(text) > VALUE_CHARACTERS_MAX:
        why = f"it has more than {VALUE_CHARACTERS_MAX} characters"
        raise call.wrong_value(place, why, "put the text into an input file")
    if set(find_placeholders(text)) & set(names):
        why = f"{shorten(text)} mentions a parameter of this sweep, which would be replaced in turn"
        raise call.wrong_value(place, why, "write the value itself")

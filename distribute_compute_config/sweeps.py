"""``sweep:``, which makes many jobs of one: its values as they are written, and their combinations.

Nothing is evaluated: ``{re}`` is replaced by the text that stands in the file, other braces stay.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from distribute_compute_config.names import shorten
from distribute_compute_config.nodes import ListNode, MapNode, Node, Scalar
from distribute_compute_config.problems import Finding, Loc
from distribute_compute_config.scalars import quote, read_plain

#: Of one job: each parameter with its value, in the order of the file.
Values = tuple[tuple[str, str], ...]

PARAMETER_PATTERN = "[A-Za-z_][A-Za-z0-9_]{0,99}"
VALUE_CHARACTERS_MAX = 1000
_parameter = re.compile(PARAMETER_PATTERN, re.ASCII)
_placeholder = re.compile(rf"\{{({PARAMETER_PATTERN})\}}", re.ASCII)


class Mode(Enum):
    """How values are combined; the value is the key that asks for it."""

    PRODUCT = "product"
    ZIP = "zip"


@dataclass(frozen=True, slots=True)
class Sweep:
    """The parameters of one job's sweep, each with its values."""

    mode: Mode
    parameters: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def count(self) -> int:
        """How many jobs it makes; nothing is expanded to tell."""
        lengths = [len(values) for _, values in self.parameters]
        return math.prod(lengths) if self.mode is Mode.PRODUCT else min(lengths)

    def combinations(self) -> Iterator[Values]:
        """One a job; of a product the last parameter changes fastest."""
        names = [name for name, _ in self.parameters]
        lists = [values for _, values in self.parameters]
        several = itertools.product(*lists) if self.mode is Mode.PRODUCT else zip(*lists, strict=True)
        return (tuple(zip(names, values, strict=True)) for values in several)


def substitute(text: str, values: Mapping[str, str]) -> str:
    """``text`` with ``{NAME}`` replaced for each name of ``values``, once: what a value brings stays."""
    return _placeholder.sub(lambda found: values.get(found[1], found[0]), text)


def is_parameter(name: str) -> bool:
    """Whether a parameter may be called so."""
    return name not in {mode.value for mode in Mode} and _parameter.fullmatch(name) is not None


def find_placeholders(text: str) -> Iterator[str]:
    """The name in each ``{NAME}`` of ``text``, whether a sweep has it or not."""
    return (found[1] for found in _placeholder.finditer(text))


def say_values(values: Values) -> str:
    """``re=100 n=64``."""
    return " ".join(f"{name}={value}" for name, value in values)


def read_sweep(node: Node, loc: Loc) -> Sweep | tuple[Finding, ...]:
    """The sweep written at ``loc``, or what is wrong with it."""
    if not isinstance(node, MapNode) or not node.entries:
        return (Finding(loc, "parameters and their values are wanted", "write sweep: {re: [100, 400]}"),)
    modes = [mode for mode in Mode if mode.value in node.entries]
    explicit = [mode for mode in modes if isinstance(node.entries[mode.value][1], MapNode)]
    if not explicit:
        return _read_parameters(Mode.PRODUCT, node, loc)
    if len(node.entries) > 1:
        other = next(key for key in node.entries if key != explicit[0].value)
        why = f"{explicit[0].value} stands alone in a sweep, it holds all parameters"
        return (Finding((*loc, other), why, f"write it inside {explicit[0].value}", at_key=True),)
    inside = node.entries[explicit[0].value][1]
    assert isinstance(inside, MapNode)
    here = (*loc, explicit[0].value)
    if not inside.entries:
        return (Finding(here, "parameters and their values are wanted", "write {re: [100, 400]}"),)
    return _read_parameters(explicit[0], inside, here)


def _read_parameters(mode: Mode, node: MapNode, loc: Loc) -> Sweep | tuple[Finding, ...]:
    findings: list[Finding] = []
    parameters: list[tuple[str, tuple[str, ...]]] = []
    for name, (_, values) in node.entries.items():
        here = (*loc, name)
        bad = _judge_parameter(name, here)
        found = _read_values(values, here)
        if bad is not None:
            findings.append(bad)
        elif isinstance(found, Finding):
            findings.append(found)
        else:
            parameters.append((name, found))
    if findings:
        return tuple(findings)
    if mode is Mode.ZIP:
        findings += _judge_lengths(parameters, loc)
    return tuple(findings) or Sweep(mode, tuple(parameters))


def _judge_parameter(name: str, loc: Loc) -> Finding | None:
    if name in {mode.value for mode in Mode}:
        why = f"no parameter can be called {name}: that says how values are combined"
        return Finding(loc, why, f"write {name}: {{re: [100, 400]}}, or another name", at_key=True)
    if not _parameter.fullmatch(name):
        why = f"{shorten(name)} is no name of a parameter: letters, digits and '_', no digit first"
        return Finding(loc, why, "write another name", at_key=True)
    return None


def _read_values(node: Node, loc: Loc) -> tuple[str, ...] | Finding:
    if not isinstance(node, ListNode) or not node.items:
        return Finding(loc, "a list of at least one value is wanted", "write [100, 400]")
    texts = []
    for index, item in enumerate(node.items):
        text = _read_value(item, (*loc, index))
        if isinstance(text, Finding):
            return text
        texts.append(text)
    return tuple(texts)


def _read_value(node: Node, loc: Loc) -> str | Finding:
    if not isinstance(node, Scalar):
        return Finding(loc, "a value is text or a number, not a list or a mapping", "write [100, 400]")
    meaning = read_plain(node.text) if node.plain else node.text
    if meaning is None or isinstance(meaning, bool):
        what = "nothing" if meaning is None else "a truth value"
        return Finding(
            loc, f"YAML reads {node.text or 'this'} as {what}", f"put it in quotes: {quote(node.text)}"
        )
    if len(node.text) > VALUE_CHARACTERS_MAX:
        why = f"the value is longer than {VALUE_CHARACTERS_MAX} characters"
        return Finding(loc, why, "put the text into an input file")
    return node.text


def _judge_lengths(parameters: Sequence[tuple[str, tuple[str, ...]]], loc: Loc) -> Iterator[Finding]:
    first, values = parameters[0]
    for name, others in parameters[1:]:
        if len(others) != len(values):
            why = f"{first} has {len(values)} values and {name} has {len(others)}, zip wants as many of each"
            yield Finding((*loc, name), why, "write as many values, or product: for all combinations")

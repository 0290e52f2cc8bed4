"""The reference page of the Python API that people wrote their scripts by: its signatures and its examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "seeds" / "python-api.txt").read_text()

_SIGNATURE = re.compile(r"^distribute_compute_config\.(\w+)\((.*)\) ?(\w*)$", re.M)
_EXAMPLE = re.compile(
    r"^import distribute_compute_config as .*?(?=^distribute_compute_config\.|\Z)", re.M | re.S
)


@dataclass(frozen=True)
class Signature:
    """A function as the page writes it: its parameters with their defaults (None: it has none)."""

    name: str
    parameters: tuple[tuple[str, str | None], ...]
    returns: str


def read_signatures() -> Iterator[Signature]:
    for found in _SIGNATURE.finditer(TEXT):
        yield Signature(found[1], tuple(map(_read_parameter, _split(found[2]))), found[3])


def _split(parameters: str) -> list[str]:
    return re.split(r", (?=\w+(?:[:=]|$))", parameters)


def _read_parameter(text: str) -> tuple[str, str | None]:
    name = re.match(r"\w+", text)
    assert name
    _, equals, default = text.partition("=")
    return name[0], default.strip() if equals else None


def read_examples() -> dict[str, str]:
    """The code of each example, by the function that it shows."""
    starts = [(found.start(), found[1]) for found in _SIGNATURE.finditer(TEXT)]
    return {
        next(name for start, name in reversed(starts) if start < found.start()): found[0]
        for found in _EXAMPLE.finditer(TEXT)
    }

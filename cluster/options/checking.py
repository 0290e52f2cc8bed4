"""Keyword arguments of a job, checked and sanitised. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from cluster.errors import OptionsError
from cluster.kinds import sanitise
from cluster.options.groups import ALLOWED_KWDS, SYNONYMS, Option

_SEE_ALL = "see all of them with: distribute keywords"


def find_option(name: str) -> Option:
    """The option of that name, or of which it is a synonym. Raises OptionsError naming close ones."""
    option = ALLOWED_KWDS.get(SYNONYMS.get(name, name))
    if option is not None:
        return option
    close = get_close_matches(str(name).lower(), [*ALLOWED_KWDS, *SYNONYMS], n=3)
    why = f"did you mean {' or '.join(close)}?" if close else ""
    raise OptionsError(f"jobs have no option {name!r}", why, _SEE_ALL)


def check_arguments(kwargs: Mapping[str, object]) -> dict[str, Any]:
    """The same arguments under their options' own names, with sanitised values; None is left out.

    Raises OptionsError for one that doesn't exist, and for two that mean the same and say different things,
    TypeError for a value of the wrong type, ValueError for one that can't be read.
    """
    checked: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name, value in kwargs.items():
        option = find_option(name)
        if value is None:
            continue
        sanitised = sanitise(option.name, option.kind, value)
        if option.name in checked and checked[option.name] != sanitised:
            other = given[option.name]
            raise OptionsError(
                f"{other}={kwargs[other]!r} and {name}={value!r} contradict each other",
                f"both mean {option.name}",
                "give one of them",
            )
        checked[option.name], given[option.name] = sanitised, name
    return checked

"""The one rule for names: of namespaces, batches, jobs, nodes, aliases, capabilities."""

from __future__ import annotations

import re
import unicodedata

from distribute_compute_config.errors import DistributeError

NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
NAME_RULE = (
    "1 to 100 characters, only the letters A-Z and a-z, digits, '.', '_' and '-', "
    "and the first one is a letter or a digit"
)
EXAMPLE = "run_1"
_SHOWN_CHARACTERS = 40
_name = re.compile(NAME_PATTERN, re.ASCII)


class InvalidName(DistributeError):
    """A name that breaks ``NAME_RULE``; ``name`` holds it whole."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {shorten(name)}", f"a name is {NAME_RULE}")
        self.kind = kind
        self.name = name


def shorten(text: str) -> str:
    """``repr(text)``, cut so that a hostile name can't flood a terminal."""
    if len(text) <= _SHOWN_CHARACTERS:
        return repr(text)
    return f"{text[:_SHOWN_CHARACTERS]!r}… ({len(text)} characters)"


def is_name(text: str) -> bool:
    """Whether ``text`` keeps ``NAME_RULE``."""
    return _name.fullmatch(text) is not None


def check_name(kind: str, name: str) -> str:
    """Return ``name`` if it keeps ``NAME_RULE``; ``kind`` ("job", "namespace", …) is for the message.

    Raises InvalidName.
    """
    if not is_name(name):
        raise InvalidName(kind, name)
    return name


def suggest_name(text: str) -> str:
    """The valid name nearest to ``text``: other characters become ``_``; an example if nothing is left.

    For proposals in messages only.
    """
    plain = (
        unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() if text.isprintable() else text
    )
    kept = re.sub(r"[^A-Za-z0-9._-]+", "_", plain, flags=re.ASCII).strip("._-")
    return kept[:100] or EXAMPLE

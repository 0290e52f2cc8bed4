"""What a plain (unquoted) YAML word means here: YAML 1.2's core types in decimal, and nothing else.

YAML 1.1 readers take ``no`` for False, ``12:30:45`` for 45045 and ``010`` for 8, YAML 1.2 readers don't.
A word on which they differ is a *trap*: it has to be put in quotes.
Sources: yaml.org/spec/1.2.2 section 10.3.2, yaml.org/type.
"""

from __future__ import annotations

import re

Value = str | int | float | bool | None

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SWITCHES = frozenset(
    form for word in ("yes", "no", "on", "off") for form in (word, word.title(), word.upper())
)
_may_be_number = re.compile(r"[-+.0-9]")
_int = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_float = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_traps = (
    (re.compile(r"[-+]?0b[01_]+"), "a binary number"),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]+"), "a hexadecimal number"),
    (re.compile(r"[-+]?0o[0-7_]+"), "an octal number"),
    (re.compile(r"[-+]?0[0-7_]+"), "an octal number"),
    (re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"), "a number to base 60"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t][0-9:.Zz \t+-]*)?"), "a date"),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), "a number that isn't finite"),
    (re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"), "a number"),
)
_INT_DIGITS_MAX = 30


def read_plain(word: str) -> Value:
    """The value of a plain word; a trap stays text (``name_trap`` tells)."""
    if word in _NULLS:
        return None
    if word in _BOOLS:
        return _BOOLS[word]
    if not _may_be_number.match(word):
        return word
    if len(word) <= _INT_DIGITS_MAX and _int.fullmatch(word):
        return int(word)
    return float(word) if _float.fullmatch(word) else word


def name_trap(word: str) -> str | None:
    """What some YAML readers take the plain ``word`` for ("an octal number", …), or None where all agree."""
    if word in _SWITCHES:
        return f"the truth value {'true' if word.lower() in ('yes', 'on') else 'false'}"
    if not _may_be_number.match(word) or not isinstance(read_plain(word), str):
        return None
    return next((meaning for pattern, meaning in _traps if pattern.fullmatch(word)), None)


def quote(text: str) -> str:
    """``text`` in YAML's double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'

"""From the bytes of a job file to its tree: encoding, size, YAML syntax."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from distribute_compute_config.nodes import NODES_MAX, Node, TooMuch, TreeBuilder, shift, to_mark
from distribute_compute_config.problems import Mark, Problem
from distribute_compute_config.scalars import quote

SIZE_MAX_BYTES = 10 * 1024**2
# libyaml, where PyYAML was built with it, is about ten times as fast; both give the same events.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MENDS_MAX = 3
_TAB = "tab"
#: What editors show a tab as; a file is read with the first of them that lines up.
_TAB_WIDTHS = (8, 4, 2)
# libyaml stops here, in the midst of tokens that it hasn't told of yet.
_TOO_DEEP = "exceeded maximum nesting depth"
_forbidden = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
_tabbed = re.compile(r"( *)\t[ \t]*[^ \t#]")
_line_end = re.compile("\r\n|\n|\r")
_line_end_kept = re.compile("(\r\n|\n|\r)")
_reserved_word = re.compile(r"@[^\s,\]}#]*")
_HINTS = (
    (
        "mapping values are not allowed",
        "put a value that holds ': ' in quotes, and give keys of one mapping the same indentation",
    ),
    ("expected <block end>", "give keys of one mapping, and the '-' of one list, the same indentation"),
    ("did not find expected key", "give keys of one mapping, and the '-' of one list, the same indentation"),
    ("expected '-' indicator", "give keys of one mapping, and the '-' of one list, the same indentation"),
    ("block sequence entries are not allowed", "start the list on a line of its own"),
    ("could not find expected ':'", "write a colon and a space after the key"),
    ("unexpected end of stream", "close the quotes or brackets"),
    ("expected ',' or", "close the bracket, or write a comma between the values"),
    ("cannot start any token", "put the text in quotes"),
    ("unknown escape character", "write the value in single quotes, or two backslashes for one"),
)


@dataclass(frozen=True, slots=True)
class Syntax:
    """What the YAML of a file gave: its tree (None where it can't be known) and what is wrong already."""

    root: Node | None
    problems: tuple[Problem, ...]


def decode(raw: bytes, source: str) -> str | Problem:
    """The text of a job file, or why its bytes can't be one."""
    if len(raw) > SIZE_MAX_BYTES:
        return Problem(
            source, 1, 1, "size", f"the file is larger than {SIZE_MAX_BYTES} bytes", "split the batch"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        mark = _mark_at(before, len(before))
        why = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return Problem(source, *mark, "encoding", why, "save the file as UTF-8")


def parse(text: str, source: str, values_max: int = NODES_MAX) -> Syntax:
    """The tree of ``text`` and the mistakes in it; never raises for what stands in the text.

    A list in a sweep may have ``values_max`` values.
    """
    problem = _check_characters(text, source)
    if problem is not None:
        return Syntax(None, (problem,))
    first = _read(text, source, values_max, {})
    if not any(one.what == _TAB for one in first.problems):
        return first
    # Tabs stop every parser: they are noted, and read as what was probably meant, for the rest of the file.
    for width in _TAB_WIDTHS:
        expanded, shifts = _expand_tabs(text, width)
        mended = _read(expanded, source, values_max, shifts)
        if mended.root is not None:
            return Syntax(mended.root, (*first.problems, *mended.problems))
    return first


def _read(text: str, source: str, values_max: int, shifts: Mapping[int, int]) -> Syntax:
    """``shifts`` tells by line how many columns ``text`` has more than what the user wrote."""
    found: list[Problem] = []
    mended: frozenset[Mark] = frozenset()
    while True:
        builder = TreeBuilder(source, mended, values_max, shifts)
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                builder.take(event)
        except TooMuch as error:
            return Syntax(None, (*found, *builder.problems, error.problem))
        except yaml.MarkedYAMLError as error:
            at = _mark_of(error)
            offset = _offset_of(text, at)
            if error.problem == _TOO_DEEP:
                text = text[:offset]
                continue
            if text[offset : offset + 1] != "@":
                return Syntax(None, (*found, *builder.problems, *_explain(error, at, text, source)))
            # An unquoted @user:server stops every parser: it is noted, and read as what was meant.
            at = shift(at, shifts)
            found.append(_explain_at_sign(text, offset, at, source))
            if len(mended) == _MENDS_MAX:
                return Syntax(None, (*found, *builder.problems))
            mended |= {at}
            text = f"{text[:offset]}X{text[offset + 1 :]}"
        else:
            return Syntax(builder.root, (*found, *builder.problems))


def _expand_tabs(text: str, width: int) -> tuple[str, dict[int, int]]:
    """``text`` with spaces for tabs in indentation, and by line how many columns that added."""
    # The line ends are kept: every second piece is one.
    pieces = _line_end_kept.split(text)
    shifts = {}
    for index in range(0, len(pieces), 2):
        found = _tabbed.match(pieces[index])
        if found:
            indent = found[0][:-1].expandtabs(width)
            shifts[index // 2 + 1] = len(indent) - len(found[0]) + 1
            pieces[index] = indent + pieces[index][found.end() - 1 :]
    return "".join(pieces), shifts


def _check_characters(text: str, source: str) -> Problem | None:
    if len(text) > SIZE_MAX_BYTES:
        return Problem(
            source, 1, 1, "size", f"the text is longer than {SIZE_MAX_BYTES} characters", "split the batch"
        )
    found = _forbidden.search(text)
    if found is None:
        return None
    mark = _mark_at(text, found.start())
    if found[0] == "\ufeff":
        return Problem(
            source, *mark, "byte order mark", "YAML here has none", "save the file as UTF-8 without BOM"
        )
    what = f"character U+{ord(found[0]):04X}"
    return Problem(source, *mark, what, "it can't stand in a job file", "remove it")


def _explain_at_sign(text: str, offset: int, at: Mark, source: str) -> Problem:
    found = _reserved_word.match(text, offset)
    word = found[0] if found else "@"
    return Problem(
        source, *at, word, "YAML lets no unquoted text start with @", f"put it in quotes: {quote(word)}"
    )


def _explain(error: yaml.MarkedYAMLError, at: Mark, text: str, source: str) -> list[Problem]:
    tabs = _explain_tabs(error, at, text, source)
    if tabs:
        return tabs
    why = error.problem or "it can't be read"
    context = f"{error.context}, " if error.context else ""
    instead = next((hint for start, hint in _HINTS if start in why), "")
    return [Problem(source, *at, "YAML", f"{context}{why}", instead)]


def _explain_tabs(error: yaml.MarkedYAMLError, at: Mark, text: str, source: str) -> list[Problem]:
    """All tabs in indentation, if one stands on a line where the parser stumbled."""
    lines = {at.line} | ({to_mark(error.context_mark).line} if error.context_mark else set())
    indents = (_tabbed.match(line) for line in _line_end.split(text))
    tabs = [Mark(number, found.end(1) + 1) for number, found in enumerate(indents, 1) if found]
    if not lines & {tab.line for tab in tabs}:
        return []
    why = "a tab stands in the indentation, YAML allows only spaces there"
    return [
        Problem(source, *tab, _TAB, why, "write spaces instead, as many as line up with its neighbours")
        for tab in tabs
    ]


def _mark_of(error: yaml.MarkedYAMLError) -> Mark:
    mark = error.problem_mark or error.context_mark
    return to_mark(mark) if mark is not None else Mark(1, 1)


def _mark_at(text: str, offset: int) -> Mark:
    """The place of ``text[offset]``; \\r\\n, \\n and a lone \\r end a line, as for the parser."""
    lines = _line_end.split(text[:offset])
    return Mark(len(lines), len(lines[-1]) + 1)


def _offset_of(text: str, mark: Mark) -> int:
    start = 0
    for _ in range(mark.line - 1):
        found = _line_end.search(text, start)
        if found is None:
            return len(text)
        start = found.end()
    return start + mark.column - 1

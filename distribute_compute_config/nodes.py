"""The YAML of a job file as a tree that knows its places, built from the parser's events.

Only what a job file needs is let in: one document of mappings, lists and scalars. Anchors, aliases, tags,
merge keys and duplicate keys are problems; depth and number of nodes are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import yaml

from distribute_compute_config.names import shorten
from distribute_compute_config.problems import Loc, Mark, Problem
from distribute_compute_config.scalars import name_trap, quote, read_plain

DEPTH_MAX = 16
NODES_MAX = 1_000_000
_TRAP_CHARACTERS_MAX = 100


class Scalar(NamedTuple):
    """A word or text; ``plain`` if it stands without quotes."""

    text: str
    plain: bool
    mark: Mark


class ListNode(NamedTuple):
    """A list and where it starts."""

    items: list[Node]
    mark: Mark


class MapNode(NamedTuple):
    """A mapping and where it starts; each key with its own place."""

    entries: dict[str, tuple[Scalar, Node]]
    mark: Mark


Node: TypeAlias = Scalar | ListNode | MapNode


class TooMuch(Exception):
    """The document is refused whole; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def to_data(node: Node) -> Any:
    """Plain dicts, lists and values; a word on which YAML readers differ stays text."""
    if isinstance(node, Scalar):
        return read_plain(node.text) if node.plain else node.text
    if isinstance(node, ListNode):
        return [to_data(item) for item in node.items]
    return {key: to_data(value) for key, (_, value) in node.entries.items()}


def find_node(root: Node, loc: Loc) -> Node:
    """The node at ``loc``, or the deepest one on the way that is there."""
    node = root
    for step in loc:
        if isinstance(node, MapNode) and step in node.entries:
            node = node.entries[str(step)][1]
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            break
    return node


def find_key(root: Node, loc: Loc) -> Mark:
    """Where the key of the value at ``loc`` stands; a list item has none, its own place counts."""
    parent = find_node(root, loc[:-1]) if loc else root
    if loc and isinstance(parent, MapNode) and loc[-1] in parent.entries:
        return parent.entries[str(loc[-1])][0].mark
    return find_node(root, loc).mark


class TreeBuilder:
    """Takes a parser's events one by one; ``root`` and ``problems`` are there at the end."""

    def __init__(
        self,
        source: str,
        mended: frozenset[Mark],
        values_max: int = NODES_MAX,
        shifts: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self.source = source
        self._values_max, self._shifts = values_max, shifts
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._mended = mended
        self._open: list[ListNode | MapNode] = []
        self._keys: list[Scalar | None] = []
        self._documents = 0
        self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        """Raises TooMuch where the rest of the document is not worth looking at."""
        if isinstance(event, yaml.ScalarEvent):
            self._place(self._read_scalar(event))
        elif isinstance(event, yaml.MappingStartEvent):
            self._enter(MapNode({}, self._note_properties(event)))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._enter(ListNode([], self._note_properties(event)))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            mark = shift(to_mark(event.start_mark), self._shifts)
            self._note(
                mark, f"*{event.anchor}", "aliases are not allowed in a job file", "write the value itself"
            )
            self._place(Scalar("", False, mark))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._start_document(event)

    def _start_document(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            mark = shift(to_mark(event.start_mark), self._shifts)
            raise TooMuch(
                self._problem(mark, "---", "a second document starts here", "write one job file a batch")
            )

    def _read_scalar(self, event: Any) -> Scalar:
        mark = self._note_properties(event)
        text: str = event.value
        if mark in self._mended:
            text = f"@{text[1:]}"
        return Scalar(text, event.implicit[0], mark)

    def _note_properties(self, event: Any) -> Mark:
        mark = shift(to_mark(event.start_mark), self._shifts)
        if event.anchor is not None:
            self._note(mark, f"&{event.anchor}", "anchors are not allowed in a job file", "remove it")
        if event.tag is not None:
            self._note(mark, event.tag, "tags are not allowed in a job file", "remove it; put text in quotes")
        return mark

    def _enter(self, node: ListNode | MapNode) -> None:
        if len(self._open) >= DEPTH_MAX:
            raise TooMuch(self._problem(node.mark, "nesting", f"deeper than {DEPTH_MAX} levels"))
        self._place(node)
        self._open.append(node)
        self._keys.append(None)

    def _place(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise TooMuch(self._problem(node.mark, "size", f"more than {NODES_MAX} values"))
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent, ListNode):
            self._check_trap(node)
            if len(parent.items) == self._values_max:
                self._check_sweep(node)
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = self._check_key(node, parent)
        else:
            self._check_trap(node)
            # The first of two equal keys counts for the checks that follow; the file is refused anyway.
            parent.entries.setdefault(self._keys[-1].text, (self._keys[-1], node))
            self._keys[-1] = None

    def _check_sweep(self, node: Node) -> None:
        """The rest of a list that is too long for a sweep isn't read: it may have a million values."""
        if any(
            isinstance(above, MapNode) and "sweep" in above.entries and above.entries["sweep"][1] is below
            for above, below in pairwise(self._open)
        ):
            why = f"the list has more than {self._values_max} values, and a batch may have as many jobs"
            raise TooMuch(self._problem(node.mark, "sweep", why, "sweep over fewer values"))

    def _check_key(self, node: Node, parent: MapNode) -> Scalar:
        if not isinstance(node, Scalar):
            self._note(node.mark, "key", "a key must be a word, not a list or a mapping", "write key: value")
            return Scalar("?", False, node.mark)
        if node.text == "<<" and node.plain:
            self._note(
                node.mark, "<<", "merge keys are not allowed in a job file", "write the keys themselves"
            )
        elif node.text in parent.entries:
            line = parent.entries[node.text][0].mark.line
            why = f"the key stands in this mapping already, on line {line}"
            self._note(node.mark, shorten(node.text), why, "remove one of the two")
        return node

    def _check_trap(self, node: Node) -> None:
        if not isinstance(node, Scalar) or not node.plain or len(node.text) > _TRAP_CHARACTERS_MAX:
            return
        meaning = name_trap(node.text)
        if meaning is not None:
            why = f"some YAML readers take it for {meaning}, others for text"
            self._note(
                node.mark, node.text, why, f"put it in quotes: {quote(node.text)}{_plain_number(node.text)}"
            )

    def _note(self, mark: Mark, what: str, why: str, instead: str) -> None:
        self.problems.append(self._problem(mark, what, why, instead))

    def _problem(self, mark: Mark, what: str, why: str, instead: str = "") -> Problem:
        return Problem(self.source, mark.line, mark.column, what, why, instead)


def _plain_number(word: str) -> str:
    """The end of the advice for a number written with leading zeros or underscores."""
    digits = word.lstrip("-+").replace("_", "").lstrip("0")
    return f", or write {digits} if you mean that number" if digits.isdecimal() else ""


def to_mark(mark: Any) -> Mark:
    """The parser's 0-based place, counted from 1."""
    return Mark(mark.line + 1, mark.column + 1)


def shift(mark: Mark, shifts: Mapping[int, int]) -> Mark:
    """The place in what the user wrote, where ``shifts`` columns were added to lines for the parser."""
    return Mark(mark.line, max(1, mark.column - shifts.get(mark.line, 0)))

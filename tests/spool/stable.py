"""A model of a disk that loses its power: what of a recorded sequence of calls is on stable storage."""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.spool.faulty import LOCAL, READS, USER, Call

Keep = Callable[[int, int], int]


def keep_nothing(flushed: int, size: int) -> int:
    """What is left of a file of ``size`` bytes of which ``flushed`` are on stable storage."""
    return flushed


def keep_half(flushed: int, size: int) -> int:
    return (flushed + size) // 2


@dataclass(eq=False)
class Node:
    """A file with its content, or a folder with its entries; ``flushed`` bytes are on stable storage."""

    mode: int
    data: bytes = b""
    flushed: int = 0
    entries: dict[str, Node] | None = None


class Impossible(Exception):
    """A call that finds the disk otherwise than it did when it was recorded."""


@dataclass
class Disk:
    """The tree below ``root``, in memory."""

    root: Path
    top: Node = field(default_factory=lambda: Node(0o755, entries={}))

    @classmethod
    def load(cls, root: Path) -> Disk:
        return cls(root, _load(root))

    def replay(self, calls: Sequence[Call], lost: Collection[int] = ()) -> None:
        """Do them, but for those whose index is in ``lost``, and those that can't be done without them."""
        for index, call in enumerate(calls):
            if index in lost or call.name in READS or call.actor == LOCAL:
                continue
            try:
                self._do(call)
            except Impossible:
                continue

    def copy(self) -> Disk:
        return Disk(self.root, copy.deepcopy(self.top))

    def write_to(self, folder: Path, keep: Keep) -> None:
        """Make it in the empty ``folder``."""
        _write(self.top, folder, keep)

    def digest(self, keep: Keep) -> str:
        """The same for two disks that can't be told apart."""
        return "\n".join(_describe(self.top, "", keep))

    # Calls

    def _do(self, call: Call) -> None:
        if call.name == "sync":
            _flush(self.top)
            return
        where = [self._place(path) for path in call.paths]
        match call.name:
            case "open_new" | "open_private" | "open_end" | "mkdir" | "put" | "write" | "chmod":
                _fill(*where[0], call)
            case "rename" | "replace":
                _rename(*where)
            case "link":
                _link(*where)
            case "unlink" | "remove_private" | "rmdir":
                _remove(*where[0], only_empty=call.name == "rmdir")
            case "utime" | "close":
                return
            case _:
                raise AssertionError(call)

    def _place(self, path: Path) -> tuple[dict[str, Node], str]:
        """The folder that holds ``path``, and its name there."""
        entries = self.top.entries
        parts = path.relative_to(self.root).parts
        for part in parts[:-1]:
            if entries is None or part not in entries:
                raise Impossible
            entries = entries[part].entries
        if entries is None:
            raise Impossible
        return entries, parts[-1] if parts else ""


def _fill(folder: dict[str, Node], name: str, call: Call) -> None:
    """A call that makes something or adds to it; ``call.detail`` is its content or its mode."""
    if call.name in ("open_new", "mkdir") and name in folder:
        raise Impossible
    match call.name, call.detail:
        case "mkdir", _:
            folder[name] = Node(0o755, entries={})
        case "open_new" | "open_private", int(mode):
            folder[name] = Node(mode)
        case "open_end", _:
            folder.setdefault(name, Node(0o644))
        case "put", bytes(data):
            folder[name] = Node(0o644, data, len(data))
        case "write", bytes(data):
            _get(folder, name).data += data
        case "chmod", int(mode):
            _get(folder, name).mode = mode
        case _:
            raise AssertionError(call)


def _get(folder: dict[str, Node], name: str) -> Node:
    if name not in folder:
        raise Impossible
    return folder[name]


def _rename(source: tuple[dict[str, Node], str], target: tuple[dict[str, Node], str]) -> None:
    node, there = _get(*source), target[0].get(target[1])
    if there is not None and (there.entries or (there.entries is None) != (node.entries is None)):
        raise Impossible
    target[0][target[1]] = node
    del source[0][source[1]]


def _link(source: tuple[dict[str, Node], str], target: tuple[dict[str, Node], str]) -> None:
    if target[1] in target[0]:
        raise Impossible
    target[0][target[1]] = _get(*source)


def _remove(folder: dict[str, Node], name: str, only_empty: bool) -> None:
    if only_empty and _get(folder, name).entries:
        raise Impossible
    _get(folder, name)
    del folder[name]


def _flush(node: Node) -> None:
    node.flushed = len(node.data)
    for inner in (node.entries or {}).values():
        _flush(inner)


def _load(path: Path) -> Node:
    mode = stat.S_IMODE(path.stat().st_mode)
    if path.is_dir():
        return Node(mode, entries={name: _load(path / name) for name in sorted(os.listdir(path))})
    data = path.read_bytes()
    return Node(mode, data, len(data))


def _write(node: Node, path: Path, keep: Keep) -> None:
    assert node.entries is not None
    for name, inner in node.entries.items():
        there = path / name
        if inner.entries is None:
            there.write_bytes(inner.data[: keep(inner.flushed, len(inner.data))])
        else:
            there.mkdir()
            _write(inner, there, keep)
        there.chmod(inner.mode)


def _describe(node: Node, path: str, keep: Keep) -> list[str]:
    if node.entries is None:
        return [f"{path} {node.mode:o} {node.data[: keep(node.flushed, len(node.data))]!r}"]
    inner = sorted(node.entries.items())
    return [
        f"{path}/ {node.mode:o}",
        *(line for name, one in inner for line in _describe(one, f"{path}/{name}", keep)),
    ]


def is_step(call: Call) -> bool:
    """Whether others can see what it did: what is made is private until it is renamed."""
    return (
        call.name in ("rename", "replace", "link", "unlink", "rmdir", "remove_private") and call.actor != USER
    )

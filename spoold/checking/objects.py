"""The store: what batches need and isn't there, isn't whole, or isn't needed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spoold.checking.batches import judge_entry, judge_mode
from spoold.checking.findings import Finding, Kind, error, note, shell
from spoold.checking.legal import is_object
from spoold.checking.looking import Type, list_folder, look_at
from spoold.layout import FOLDER_MODE, STORE_MODE
from spoold.spool import Spool
from spoold.sweeping import OLD_S

_PIECE_BYTES = 1 << 20
_AGAIN = "submit the file again in any batch (distribute add): that puts it back"

Needed = dict[str, int]
"""The size in bytes that batches say for each object, by its SHA-256."""


@dataclass
class Objects:
    """The store against what batches need; ``whole`` tells whether all that they need is known.

    With ``checksums`` every file is read, and ``progress`` told its bytes.
    """

    spool: Spool
    needed: Needed
    whole: bool
    checksums: bool = False
    progress: Callable[[int], None] | None = None

    def judge(self) -> Iterator[Finding]:
        """Everything that is wrong, at last what is missing or too much."""
        root = self.spool.root / "store"
        there: set[str] = set()
        unused: list[int] = []
        for folder, type in sorted((list_folder(root) or {}).items()):
            known = Type.FOLDER if _is_prefix(folder) else None
            yield from judge_entry(root / folder, type, known)
            if type is known:
                yield from judge_mode(self.spool, root / folder, FOLDER_MODE)
                yield from self._judge_folder(root / folder, there, unused)
        for sha256 in sorted(self.needed.keys() - there):
            what = "is missing: an input without which jobs can't run"
            yield error(Kind.OBJECT_MISSING, self.spool.layout.store_object(sha256), what, _AGAIN)
        if unused and self.whole:
            what = f"holds {len(unused)} files ({sum(unused)} bytes) that no batch of this spool needs"
            yield note(Kind.OBJECTS_UNUSED, root, what, "they do no harm; nothing removes them")

    def _judge_folder(self, folder: Path, there: set[str], unused: list[int]) -> Iterator[Finding]:
        for name, type in sorted((list_folder(folder) or {}).items()):
            path = folder / name
            known = Type.FILE if is_object(name, folder.name) else None
            yield from judge_entry(path, type, known)
            facts = look_at(path)
            if type is not known or facts is None:
                continue
            there.add(name)
            yield from judge_mode(self.spool, path, STORE_MODE)
            yield from self._judge_content(path, facts.size_bytes)
            # A younger one may be of a batch that is just being admitted.
            if name not in self.needed and time.time() - facts.modified_at > OLD_S:
                unused.append(facts.size_bytes)

    def _judge_content(self, path: Path, size_bytes: int) -> Iterator[Finding]:
        expected = self.needed.get(path.name, size_bytes)
        step = f"{shell('rm', path)}, then {_AGAIN}"
        if size_bytes != expected:
            what = f"has {size_bytes} bytes, and should have {expected}"
            yield error(Kind.OBJECT_DAMAGED, path, what, step)
        elif self.checksums and hash_file(path, self.progress) != path.name:
            yield error(Kind.OBJECT_DAMAGED, path, "has another content than its name says", step)


def _is_prefix(name: str) -> bool:
    return len(name) == 2 and is_object(name + "0" * 62, name)


def hash_file(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """The SHA-256 of a regular file; no link is followed. Raises OSError."""
    digest = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as opened:
        while piece := opened.read(_PIECE_BYTES):
            digest.update(piece)
            if progress:
                progress(len(piece))
    return digest.hexdigest()

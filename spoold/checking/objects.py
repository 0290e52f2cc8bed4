"""The store: what batches need and isn't there, isn't whole, or isn't needed."""

from __future__ import annotations

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
from spoold.store import hash_file
from spoold.sweeping import OLD_S


@dataclass(frozen=True, slots=True)
class Need:
    """An input of ``batch``, as NAMESPACE/BATCH: what it is called there, and its size in bytes."""

    batch: str
    name: str
    size_bytes: int

    def __str__(self) -> str:
        return f"it is {self.name} of {self.batch}"


Needed = dict[str, Need]
"""What batches say of each object, by its SHA-256."""


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
            need = self.needed[sha256]
            what = f"is missing: {need}, without which its jobs can't run"
            yield error(Kind.OBJECT_MISSING, self.spool.layout.store_object(sha256), what, _put_back(need))
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
        need = self.needed.get(path.name)
        of, step = (f": {need}", _put_back(need)) if need else ("", shell("rm", path))
        if need and size_bytes != need.size_bytes:
            what = f"has {size_bytes} bytes, and should have {need.size_bytes}{of}"
            yield error(Kind.OBJECT_DAMAGED, path, what, step)
        elif self.checksums and hash_file(path, self.progress) != path.name:
            yield error(Kind.OBJECT_DAMAGED, path, f"has another content than its name says{of}", step)


def _put_back(need: Need) -> str:
    """What mends it: admission replaces what is damaged. Nobody but people has another copy."""
    return f"submit {need.name}, as it was, with a new batch (distribute add): that puts it back"


def _is_prefix(name: str) -> bool:
    return len(name) == 2 and is_object(name + "0" * 62, name)

"""Store objects on this node's disk: each is fetched once, checked, and kept as long as there is room."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from distribute_compute_config.errors import DistributeError
from spoold.records import Input
from spoold.spool import Spool

_PIECE_BYTES = 1 << 20
_COMING = "."
#: The cache is on another disk, or on one without hard links, or there are 65,000 of them.
_NO_SECOND_NAME = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}


class CorruptObject(DistributeError):
    """The content of a file of the spool doesn't fit its checksum, or it is gone."""


class Cache:
    """A folder of at most ``most_bytes``, the longest unused objects going first; for several threads.

    What is lent out stays, however full it is. One process at a time has it.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._fetching: dict[str, Lock] = {}
        self._making_room = Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_COMING}*"):
            left.unlink()

    def fetch(self, spool: Spool, wanted: Input) -> Path:
        """The object's path here. Raises CorruptObject, or OSError if there is no room for it."""
        path = self._folder / wanted.sha256
        # Two jobs that begin at once shall not bring the same image twice.
        with self._fetching.setdefault(wanted.sha256, Lock()):
            try:
                os.utime(path)
            except FileNotFoundError:
                self.make_room(wanted.size_bytes, keep=())
                copy_checked(spool.layout.store_object(wanted.sha256), path, wanted.sha256)
        return path

    def lend(self, spool: Spool, wanted: Input, name: Path) -> None:
        """Give the object a second name; it isn't removed, nor brought again, as long as it has that.

        The name says so to the next daemon too. Where the file system can't do that, who opens it soon has it
        all the same. Raises CorruptObject, or OSError.
        """
        while True:
            path = self.fetch(spool, wanted)
            try:
                os.link(path, name)
                return
            except FileNotFoundError:
                # RACE: others needed room since it was fetched.
                if not name.parent.is_dir():
                    raise
            except OSError as error:
                if error.errno not in _NO_SECOND_NAME:
                    raise
                name.symlink_to(path)
                return

    def make_room(self, size_bytes: int, keep: Iterable[str] = ()) -> None:
        """Remove the longest unused objects until ``size_bytes`` more fit."""
        with self._making_room:
            entries = list(_look(self._folder))
            total = sum(info.st_size for info, _ in entries)
            for info, entry in sorted(entries, key=lambda one: one[0].st_mtime):
                if total + size_bytes <= self._most_bytes:
                    return
                # RACE: what another thread brings isn't there yet, and can't be removed.
                coming = entry.name.startswith(_COMING)
                if entry.name not in keep and info.st_nlink == 1 and not coming:
                    os.unlink(entry.path)
                    total -= info.st_size


def _look(folder: Path) -> Iterator[tuple[os.stat_result, os.DirEntry[str]]]:
    for entry in os.scandir(folder):
        # RACE: what another thread brings gets its name just now.
        with suppress(FileNotFoundError):
            yield entry.stat(), entry


def copy_checked(source: Path, target: Path, sha256: str) -> None:
    """Copy a file of the spool to this node's disk. Raises CorruptObject if it doesn't fit ``sha256``."""
    private = target.with_name(f"{_COMING}{target.name}.{secrets.token_hex(4)}")
    digest = hashlib.sha256()
    try:
        with open(source, "rb", buffering=0) as old, open(private, "xb", buffering=0) as new:
            while piece := old.read(_PIECE_BYTES):
                digest.update(piece)
                _write_all(new.fileno(), piece)
        if digest.hexdigest() != sha256:
            raise CorruptObject(f"{source} is corrupt", "its content doesn't fit its name", _MEND)
        os.rename(private, target)
    except FileNotFoundError as error:
        raise CorruptObject(f"{source} is gone", "somebody removed it", _MEND) from error
    finally:
        private.unlink(missing_ok=True)


def _write_all(handle: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(handle, view) :]


_MEND = "submit the batch again under another name"

"""The one module that changes a spool's disk.

Every change of shared state is one system call whose outcome is the answer: nobody looks first and acts
later. What NFS does to such calls is dealt with here: a rename that was done may be reported as ENOENT or
EIO, a file handle may be stale, and two names made within one clock tick may hide from a listing.

``FileOps`` is an object, so that tests can put a faulty disk in its place: every operation passes through
``step``, before it and after it, and every call of the kernel through ``kernel``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from spoold.calls import Kernel
from spoold.faults import FULL, GONE, TAKEN, TRIES, SpoolFull, again, explaining
from spoold.layout import FILE_MODE, FOLDER_MODE
from spoold.renaming import list_names, rename

__all__ = ["FULL", "Copied", "FileOps", "SpoolFull"]

_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy turned out to be: its size in bytes and its content's hash."""

    size_bytes: int
    sha256: str


class FileOps:
    """Operations on the spool at ``root``; ``tmp`` is its folder for private files."""

    def __init__(self, root: Path, kernel: Kernel | None = None) -> None:
        self.root = root
        self.kernel = kernel or Kernel()
        self.tmp = root / "tmp"
        self._private_places = (f"{self.tmp}/", f"{root / 'archive/.staging'}/")

    @contextmanager
    def step(self, operation: str, *paths: Path) -> Iterator[None]:
        """Surrounds every change of the disk. Tests override it to fail or to die before or after."""
        yield

    @contextmanager
    def _writing(self, operation: str, *paths: Path) -> Iterator[None]:
        """A step that needs space: raises SpoolFull where there is none."""
        with explaining(paths[-1]), self.step(operation, *paths):
            yield

    # Reading

    def names(self, folder: Path) -> list[str]:
        """What stands in ``folder`` now, in no order; nothing if the folder isn't there."""
        return list_names(self.kernel, folder)

    def read(self, path: Path) -> bytes | None:
        """The content, or None if there is no such file. A file replaced by rename is read whole."""
        try:
            return again(lambda: self.kernel.read(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def server_time(self) -> float:
        """What the file server's clock says, Unix seconds: comparable with the times of its files."""
        probe = self.private()
        self.create(probe)
        try:
            return again(lambda: self.kernel.stat(probe)).st_mtime
        finally:
            self.unlink(probe)

    # Making

    def private(self, suffix: str = "") -> Path:
        """A name in ``tmp/`` that nobody else has."""
        return self.tmp / f"{os.uname().nodename}.{os.getpid()}.{secrets.token_hex(6)}{suffix}"

    def make_folder(self, path: Path, mode: int = FOLDER_MODE) -> None:
        """Make the folder and those above it; an existing one gets ``mode`` if that is more than 0755."""
        shared = bool(mode & ~0o755)
        with self._writing("mkdir", path):
            try:
                self.kernel.mkdir(path)
            except FileExistsError:
                # Maybe ours: NFS may say so of what it did, or a crash came before the next call.
                shared = shared and stat.S_IMODE(again(lambda: self.kernel.stat(path)).st_mode) != mode
            except FileNotFoundError:
                self._make_parent(path)
                self.make_folder(path, mode)
                return
            if shared:
                self.kernel.chmod(path, mode)

    def make_new_folder(self, path: Path) -> None:
        """Make the folder, and those above it; raises FileExistsError if it is there."""
        with self._writing("mkdir", path):
            for _ in range(TRIES):
                try:
                    self.kernel.mkdir(path)
                    return
                except FileNotFoundError:
                    # RACE: the sweep of staging removes empty folders, maybe the one that we just made.
                    self._make_parent(path)
        raise FileNotFoundError(errno.ENOENT, "keeps vanishing", str(path.parent))

    def _make_parent(self, path: Path) -> None:
        """Never one of the spool's own folders: where those are missing, the spool isn't mounted."""
        if self.root not in path.parent.parent.parents:
            raise FileNotFoundError(errno.ENOENT, "the spool isn't there", str(path.parent))
        self.make_folder(path.parent)

    def set_mode(self, path: Path, mode: int) -> None:
        """Give a new file or folder exactly this mode, whatever the process's umask is."""
        with self.step("chmod", path):
            self.kernel.chmod(path, mode)

    def create(self, path: Path, mode: int = FILE_MODE) -> None:
        """Make an empty file where there is none. Raises FileExistsError, but for private places."""
        with self.step("create", path):
            self.kernel.close(self._open_new(path, mode))

    def write_new(self, path: Path, data: bytes, mode: int = FILE_MODE) -> None:
        """Write a file that nobody can see yet (below ``tmp/`` or in a staging folder); not flushed."""
        with self._writing("write", path), self._opened(self._open_new(path, mode)) as fd:
            self.kernel.write(fd, data)

    def replace(self, path: Path, data: bytes, mode: int = FILE_MODE, flush: bool = False) -> None:
        """Put ``data`` at ``path`` in one rename; a reader sees the old content or the new.

        Without ``flush`` a power failure may leave a part of it.
        """
        private = self.private()
        try:
            self.write_new(private, data, mode)
            if flush:
                self.flush()
            with self._writing("replace", private, path):
                self._replace(private, path)
        except (OSError, SpoolFull):
            self.unlink(private)
            raise

    def _replace(self, private: Path, path: Path) -> None:
        try:
            again(lambda: self.kernel.replace(private, path))
        except FileNotFoundError:
            # Either it was done and NFS says otherwise, or the target's folder is missing.
            if private.name in self.names(private.parent):
                raise

    def _open_new(self, path: Path, mode: int) -> int:
        private = str(path).startswith(self._private_places)
        return self.kernel.open_private(path, mode) if private else self.kernel.open_new(path, mode)

    @contextmanager
    def _opened(self, fd: int) -> Iterator[int]:
        try:
            yield fd
        finally:
            self.kernel.close(fd)

    def copy_new(
        self,
        source: BinaryIO,
        path: Path,
        mode: int = FILE_MODE,
        progress: Callable[[int], None] | None = None,
    ) -> Copied:
        """Copy ``source`` to a new file, telling ``progress`` the bytes of each piece; not flushed."""
        digest, size = hashlib.sha256(), 0
        with self._writing("copy", path), self._opened(self._open_new(path, mode)) as fd:
            while piece := source.read(_COPY_BYTES):
                digest.update(piece)
                size += len(piece)
                self.kernel.write(fd, piece)
                if progress:
                    progress(len(piece))
        return Copied(size, digest.hexdigest())

    def append(self, path: Path, data: bytes) -> None:
        """Add to a file that only this process writes."""
        with self._writing("append", path), self._opened(self.kernel.open_end(path)) as fd:
            self.kernel.write(fd, data)

    # Renaming

    def move(self, source: Path, target: Path) -> bool:
        """Rename to a name that is the caller's alone; False if ``source`` is no longer there.

        The answer holds although NFS may report an error for what it did: then the target's folder is
        listed. Raises FileExistsError if a folder stands in the way, SpoolFull, or OSError when the file
        system doesn't recover.
        """
        with self._writing("rename", source, target):
            return rename(self.kernel, source, target, self.root)

    def move_in(self, source: Path, target: Path) -> bool:
        """``move`` after making the target's folder, which somebody may remove at the same time."""
        for _ in range(TRIES):
            self.make_folder(target.parent)
            try:
                return self.move(source, target)
            except FileNotFoundError:
                # RACE: an empty folder was removed between our mkdir and our rename.
                continue
        raise FileNotFoundError(errno.ENOENT, "keeps vanishing", str(target.parent))

    def link_new(self, source: Path, target: Path) -> bool:
        """Give a private file a second name; False if that name is taken."""
        with self._writing("link", source, target):
            try:
                self.kernel.link(source, target)
                return True
            except FileExistsError:
                # A repeated message may find what the first one did: then the file has two names.
                return again(lambda: self.kernel.stat(source)).st_nlink > 1

    # Removing

    def unlink(self, path: Path) -> bool:
        """Remove a file; False if it isn't there (any more)."""
        with self.step("unlink", path):
            try:
                again(lambda: self.kernel.unlink(path))
                return True
            except FileNotFoundError:
                return False

    def remove_empty(self, folder: Path) -> bool:
        """Remove a folder if nothing is in it."""
        with self.step("rmdir", folder):
            try:
                self.kernel.rmdir(folder)
                return True
            except OSError as error:
                if error.errno in TAKEN | GONE | {errno.EBUSY}:
                    return False
                raise

    def remove_tree(self, folder: Path) -> bool:
        """Remove a folder and all in it; nobody sees half of it, for it leaves by one rename."""
        private = self.private()
        if not self.move(folder, private):
            return False
        self.discard(private)
        return True

    def discard(self, private: Path) -> None:
        """Remove a file or a folder in ``tmp/``, which nobody else uses."""
        with self.step("rmtree", private):
            self.kernel.remove_private(private)

    # Settling

    def refresh(self, folder: Path) -> None:
        """Make every host list ``folder`` anew (NFS 3 may hide a name made within one clock tick)."""
        with self.step("utime", folder):
            self.kernel.utime(folder)

    def flush(self) -> None:
        """Put all that was written to the spool's file system on stable storage.

        One ``syncfs(2)`` for however many files wait: it costs less than an fsync of each. Raises OSError.
        """
        with self.step("flush", self.root):
            self.kernel.sync(self.root)

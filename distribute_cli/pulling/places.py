"""Opening files below a folder by names that others chose: no link is followed, nobody gets outside."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from distribute_compute_config.errors import DistributeError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a pipe that nobody writes to would hang.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class UnsafePath(DistributeError):
    """A path that was refused: it leaves its folder, leads through a link, or to no regular file."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder: ``root``, which may be reached by links, and ``parts`` below it, of which none may be one."""

    root: Path
    parts: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.parts)


def split_path(path: str) -> tuple[str, ...]:
    """The parts of a relative path with ``/``. Raises UnsafePath for any that could lead elsewhere."""
    parts = tuple(path.split("/"))
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise UnsafePath(f"the path {path!r} is refused", "it isn't a plain relative path")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise UnsafePath(f"the path {path!r} is refused", "no file can be called so") from error
    return parts


@contextmanager
def open_folder(place: Place, parts: Sequence[str], make: bool = False) -> Iterator[int]:
    """A descriptor of the folder ``parts`` below ``place``; with ``make``, what is missing is made.

    Raises UnsafePath or OSError.
    """
    if make:
        place.root.mkdir(parents=True, exist_ok=True)
    handle = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    path = place.root
    try:
        for part in (*place.parts, *parts):
            path = path / part
            inner = _enter(handle, part, path, make)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _enter(handle: int, part: str, path: Path, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=handle)
    try:
        return os.open(part, _FOLDER, dir_fd=handle)
    except OSError as error:
        error.filename = str(path)
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise UnsafePath(f"{path} is refused", "it is a link or no folder") from error
        raise


@contextmanager
def open_file(place: Place, parts: Sequence[str]) -> Iterator[BinaryIO]:
    """The regular file ``parts`` below ``place``, unbuffered. Raises UnsafePath or OSError."""
    path = place.path.joinpath(*parts)
    with open_folder(place, parts[:-1]) as folder:
        try:
            handle = os.open(parts[-1], _FILE, dir_fd=folder)
        except OSError as error:
            error.filename = str(path)
            if error.errno == errno.ELOOP:
                raise UnsafePath(f"{error.filename} is refused", "it is a link") from error
            raise
    with open(handle, "rb", buffering=0) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise UnsafePath(f"{path} is refused", "it is no regular file")
        yield opened


def look_at(folder: int, name: str) -> os.stat_result | None:
    """What ``name`` in an open folder is, a link being a link; None if it isn't there."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None

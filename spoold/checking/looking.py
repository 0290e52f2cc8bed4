"""Reading a spool's disk as it is: no link is followed, nothing is changed, whatever lies there is named.

What isn't there is None; what can't be read raises OSError.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

from spoold.codec import RecordError, decode
from spoold.faults import again

T = TypeVar("T")

_MOST_RECORD_BYTES = 256 << 20
#: A name that an NFS client gives to a file that was removed while somebody has it open.
_REMOVED = ".nfs"


class Type(Enum):
    """What a name in a folder stands for."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "device, pipe or socket"


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A record: its value, or what is wrong with it; neither if it isn't there."""

    value: T | None = None
    problem: str = ""

    @property
    def missing(self) -> bool:
        return self.value is None and not self.problem


@dataclass(frozen=True, slots=True)
class Facts:
    """Who may do what with a file or a folder; ``mode`` holds the permission bits only."""

    type: Type
    mode: int
    uid: int
    size_bytes: int
    modified_at: float

    @property
    def plain(self) -> bool:
        """A file or a folder, no link to one."""
        return self.type in (Type.FILE, Type.FOLDER)


def list_folder(folder: Path) -> dict[str, Type] | None:
    """What stands in ``folder``; None if there is no such folder."""
    try:
        return again(lambda: _scan(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        error.filename = str(folder)
        raise


def _scan(folder: Path) -> dict[str, Type]:
    # O_NOFOLLOW, as a link in the place of a folder leads anywhere.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(handle) as entries:
            return {entry.name: _type(entry) for entry in entries if not entry.name.startswith(_REMOVED)}
    finally:
        os.close(handle)


def _type(entry: os.DirEntry[str]) -> Type:
    if entry.is_symlink():
        return Type.LINK
    if entry.is_file(follow_symlinks=False):
        return Type.FILE
    return Type.FOLDER if entry.is_dir(follow_symlinks=False) else Type.OTHER


def look_at(path: Path) -> Facts | None:
    """What is known of ``path`` itself; None if it isn't there."""
    try:
        info = again(path.lstat)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Facts(
        _type_of(info.st_mode),
        stat.S_IMODE(info.st_mode),
        info.st_uid,
        info.st_size,
        info.st_mtime,
    )


def _type_of(mode: int) -> Type:
    kinds = {stat.S_IFREG: Type.FILE, stat.S_IFDIR: Type.FOLDER, stat.S_IFLNK: Type.LINK}
    return kinds.get(stat.S_IFMT(mode), Type.OTHER)


def read_record(kind: type[T], path: Path) -> Read[T]:
    """The record of type ``kind`` in the regular file ``path``."""
    try:
        data = again(lambda: _read(path))
        return Read() if data is None else Read(decode(kind, data, path.name))
    except RecordError as error:
        return Read(problem=f"{error.what}: {error.why}")
    except OSError as error:
        return Read(problem=(error.strerror or "it can't be opened").lower())


def _read(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with open(handle, "rb", buffering=0) as opened:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            raise RecordError(path.name, "it is no regular file")
        if info.st_size > _MOST_RECORD_BYTES:
            raise RecordError(path.name, f"it has {info.st_size} bytes")
        return opened.readall()

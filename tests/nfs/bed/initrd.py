"""An initial RAM disk: a cpio archive in the "newc" format (Documentation/driver-api/early-userspace of Linux)."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or character device (``major``, ``minor``) of the archive."""

    name: str
    mode: int
    content: bytes = b""
    major: int = 0
    minor: int = 0

    @classmethod
    def folder(cls, name: str) -> Entry:
        return cls(name, stat.S_IFDIR | 0o755)

    @classmethod
    def file(cls, name: str, source: Path, mode: int) -> Entry:
        return cls(name, stat.S_IFREG | mode, source.read_bytes())

    @classmethod
    def device(cls, name: str, major: int, minor: int) -> Entry:
        return cls(name, stat.S_IFCHR | 0o600, b"", major, minor)


def make_archive(entries: list[Entry]) -> bytes:
    """The archive's bytes; folders must stand before what is in them."""
    parts = [_pack(number, entry) for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1)]
    return b"".join(parts)


def _pack(inode: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    uid = gid = modified = major = minor = check = 0
    numbers = (
        inode, entry.mode, uid, gid, 1, modified, len(entry.content),
        major, minor, entry.major, entry.minor, len(name), check,
    )  # fmt: skip
    header = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)

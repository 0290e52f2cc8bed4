"""Inputs by content: one copy of a file in the spool, however many batches use it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from spoold.layout import STORE_MODE
from spoold.records import Input
from spoold.spool import Spool

_PIECE_BYTES = 1 << 20


def add_object(
    spool: Spool,
    source: BinaryIO,
    name: str,
    executable: bool,
    progress: Callable[[int], None] | None = None,
) -> Input:
    """Copy ``source`` into the store, unless its content is there already; not flushed.

    What is there is read, and replaced if it is damaged: it may have been written before a power failure and
    never flushed. Who reads it keeps the old one.
    """
    private = spool.ops.private()
    try:
        copied = spool.ops.copy_new(source, private, STORE_MODE, progress)
        target = spool.layout.store_object(copied.sha256)
        spool.ops.make_folder(target.parent)
        if not spool.ops.link_new(private, target) and not is_whole(target):
            spool.ops.move(private, target)
    finally:
        spool.ops.unlink(private)
    return Input(name, copied.sha256, copied.size_bytes, executable)


def is_whole(path: Path) -> bool:
    """Whether a store object has the content that its name says. Raises OSError."""
    return hash_file(path) == path.name


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

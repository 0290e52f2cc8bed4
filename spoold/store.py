"""Inputs by content: one copy of a file in the spool, however many batches use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from spoold.layout import STORE_MODE
from spoold.records import Input
from spoold.spool import Spool


def add_object(
    spool: Spool,
    source: BinaryIO,
    name: str,
    executable: bool,
    progress: Callable[[int], None] | None = None,
) -> Input:
    """Copy ``source`` into the store, unless its content is there already; not flushed."""
    private = spool.ops.private()
    try:
        copied = spool.ops.copy_new(source, private, STORE_MODE, progress)
        target = spool.layout.store_object(copied.sha256)
        spool.ops.make_folder(target.parent)
        if not spool.ops.link_new(private, target) and target.stat().st_size != copied.size_bytes:
            # Written before a power failure and never flushed. Who reads it keeps the old one.
            spool.ops.move(private, target)
    finally:
        spool.ops.unlink(private)
    return Input(name, copied.sha256, copied.size_bytes, executable)

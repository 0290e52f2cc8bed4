"""Reading files in folders where anybody may put what they like: no links, no pipes, no floods."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from spoold.spool import Spool

_LINE_MAX_BYTES = 4096


def open_regular(path: Path) -> BinaryIO | None:
    """The file at ``path``, unbuffered; None if there is none, or if it is a link or no regular file."""
    # O_NONBLOCK: opening a pipe that nobody writes to would hang.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return open(handle, "rb", buffering=0)


def open_listed(spool: Spool, top: Path, path: Path) -> BinaryIO | None:
    """``open_regular`` for a file below ``top`` that may not be there yet.

    Every folder on the way is listed first: NFS remembers for a minute that a name wasn't there when it was
    opened, but not what a listing lacked.
    """
    folder = top
    for part in path.relative_to(top).parts:
        if part not in spool.ops.names(folder):
            return None
        folder = folder / part
    return open_regular(path)


def read_first_line(path: Path) -> str:
    """The first line that isn't blank, or nothing."""
    opened = open_regular(path)
    if opened is None:
        return ""
    with opened:
        text = opened.read(_LINE_MAX_BYTES).decode(errors="replace").strip()
    return text.splitlines()[0] if text else ""

"""``rename(2)`` on a file system that may report an error for what it did: what came of it is looked up."""

from __future__ import annotations

import errno
import stat
import time
from pathlib import Path

from spoold.calls import Kernel
from spoold.faults import FIRST_PAUSE_S, GONE, TAKEN, TRIES, UNSURE, again


def list_names(kernel: Kernel, folder: Path) -> list[str]:
    """What stands in ``folder`` now, in no order; nothing if the folder isn't there."""
    try:
        return again(lambda: kernel.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def rename(kernel: Kernel, source: Path, target: Path, root: Path) -> bool:
    """Rename to a name that is the caller's alone; False if ``source`` is no longer there.

    Both are in the spool at ``root``. Raises FileExistsError if a folder stands in the way, or OSError.
    """
    pause_s = FIRST_PAUSE_S
    for attempt in range(TRIES):
        try:
            kernel.rename(source, target)
            return True
        except OSError as error:
            if error.errno in TAKEN:
                raise FileExistsError(errno.EEXIST, "already there", str(target)) from error
            if error.errno not in UNSURE:
                raise
            if target.name in list_names(kernel, target.parent):
                return True
            if error.errno in GONE:
                _check_gone(kernel, source, target, root)
                return False
            if attempt == TRIES - 1:
                raise
        time.sleep(pause_s)
        pause_s *= 2
    raise AssertionError("unreachable")


def _check_gone(kernel: Kernel, source: Path, target: Path, root: Path) -> None:
    """ENOENT and no target: raises FileNotFoundError unless that is because ``source`` is gone."""
    if _is_folder(kernel, target.parent):
        return
    if source.name in list_names(kernel, source.parent):
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(target.parent))
    if not _is_folder(kernel, root / "tmp"):
        # Unmounted: a holder must not take that for a fence and throw its result away.
        raise FileNotFoundError(errno.ENOENT, "the spool isn't there", str(root))


def _is_folder(kernel: Kernel, path: Path) -> bool:
    try:
        return stat.S_ISDIR(again(lambda: kernel.stat(path)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False

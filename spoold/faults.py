"""Errors that file systems give, and what they mean: try again, look what came of it, or tell."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from distribute_compute_config.errors import DistributeError

T = TypeVar("T")

TRIES = 5
FIRST_PAUSE_S = 0.05
GONE = frozenset({errno.ENOENT})
#: NFS may report these for an operation that was done.
UNSURE = frozenset({errno.ENOENT, errno.EIO, errno.ESTALE})
PASSING = frozenset({errno.EIO, errno.ESTALE})
TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class SpoolFull(DistributeError):
    """The spool's file system, or a quota on it, is full."""


def again(act: Callable[[], T]) -> T:
    """Do an operation that may be repeated, until the file system gives more than a passing error."""
    pause_s = FIRST_PAUSE_S
    for _ in range(TRIES - 1):
        try:
            return act()
        except OSError as error:
            if error.errno not in PASSING:
                raise
        time.sleep(pause_s)
        pause_s *= 2
    return act()


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Raises SpoolFull where there is no space for ``path``; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        reason = os.strerror(error.errno or 0)
        raise SpoolFull(f"no space for {path}", reason, "make room in the spool") from error

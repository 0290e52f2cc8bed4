"""Where pauses come from: files that people touch, and what is in force of them."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nodewatch.process import PauseState, Touch
from nodewatch.process.pausing import MOST_CONTENT_BYTES, hits

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PauseView:
    """A pause as others see it: until when (Unix seconds), by which door, with what note, made by whom.

    ``targets`` as in ``PauseRequest``: without any it is for the whole node.
    """

    until: float
    by: str
    note: str
    uid: int | None = None
    targets: tuple[str, ...] = ()

    def covers(self, job: str) -> bool:
        """Whether it stops ``job``, which is ``NAMESPACE/BATCH/JOB``."""
        return not self.targets or hits(self.targets, job)


def longest(views: Iterable[PauseView]) -> PauseView | None:
    return max(views, key=lambda view: view.until, default=None)


def job_of(key: str) -> str:
    """``NAMESPACE/BATCH/JOB`` of a key; no name has a ``~``."""
    return key.partition("~")[0]


def read_touch(path: Path) -> Touch | None:
    """The pause file as it is now; None if there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        # A link, or unreadable: who made it wants quiet all the same.
        info = path.lstat()
        return Touch(info.st_ino, info.st_mtime_ns, "", info.st_uid)
    try:
        info = os.fstat(handle)
        content = os.read(handle, MOST_CONTENT_BYTES) if stat.S_ISREG(info.st_mode) else b""
        return Touch(info.st_ino, info.st_mtime_ns, content.decode(errors="replace"), info.st_uid)
    finally:
        os.close(handle)


def open_end(clock_s: float) -> float:
    """An end for a pause that has none: always an hour ahead or more, and another one only once an hour."""
    return (clock_s // 3600 + 2) * 3600


def restore(record: Path) -> tuple[PauseState, PauseState]:
    """What the daemon before this one knew; a record that can't be read counts as none."""
    now_s, clock_s = time.monotonic(), time.time()
    try:
        here, spool = (PauseState.from_json(text, now_s, clock_s) for text in record.read_text().splitlines())
    except FileNotFoundError:
        return PauseState(), PauseState()
    except ValueError as error:
        _log.warning("%s is ignored: %s", record, error)
        return PauseState(), PauseState()
    return here, spool

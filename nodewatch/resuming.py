"""Brings what an evicted attempt saved to the attempt that goes on from it."""

from __future__ import annotations

import os
from pathlib import Path

from nodewatch.cache import CorruptObject, copy_checked
from nodewatch.folders import remove
from spoold.records import ArchivedFile
from spoold.saves import find_save, saved_files
from spoold.snapshot import read_record
from spoold.spool import Spool
from spoold.tickets import Ticket

_TRIES = 3


def fetch_save(spool: Spool, namespace: str, batch: str, ticket: Ticket, target: Path) -> bool:
    """Make ``target`` the newest save of an earlier attempt; False if there is none: then nothing is there.

    Raises CorruptObject or OSError.
    """
    for _ in range(_TRIES):
        remove(target)
        save = find_save(spool, namespace, batch, ticket)
        record = read_record(spool, save) if save else None
        if save is None:
            return False
        try:
            if record:
                target.mkdir()
                for file, path in saved_files(record):
                    _copy(_place(save, file.path), _place(target, path), file)
                return True
        except CorruptObject:
            if save == find_save(spool, namespace, batch, ticket):
                raise
        # RACE: swept meanwhile. A node that came back saved a later one, or the job has ended and isn't ours.
    raise CorruptObject(
        f"what an earlier attempt of {namespace}/{batch}/{ticket} saved", "it keeps vanishing"
    )


def _place(target: Path, path: str) -> Path:
    """Where a saved file goes. Raises CorruptObject if that isn't below ``target``."""
    if path.startswith("/") or ".." in path.split("/"):
        raise CorruptObject(f"a saved file is called {path!r}", "that leads elsewhere")
    return target / path


def _copy(source: Path, target: Path, file: ArchivedFile) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_checked(source, target, file.sha256)
    if os.access(source, os.X_OK):
        target.chmod(0o755)

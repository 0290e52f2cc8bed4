"""What this machine's own queue forgets: batches that ended a week ago, and what functions left a month ago.

In a lab's spool nothing is forgotten; there the archive is what people work for. Here it is only the way:
output and results stand in the jobs' own folders.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster.spools.places import environments_folder, state_folder
from spoold.snapshot import list_batches
from spoold.spool import Spool

_DAY_S = 24 * 3600.0
BATCH_KEPT_S = 7 * _DAY_S
FILES_KEPT_S = 30 * _DAY_S


def forget_old(spool: Spool, now: float) -> None:
    """Remove batches that ended long before ``now``, in Unix seconds. Raises OSError."""
    for ref in list_batches(spool, finished=True):
        if _is_older(ref.folder.path, now - BATCH_KEPT_S):
            # Its record last: who looks for the job meanwhile finds that it has ended.
            spool.ops.remove_tree(spool.layout.archived_batch(ref.namespace, ref.batch))
            spool.ops.remove_tree(ref.folder.path)


def sweep_files(now: float) -> None:
    """Remove the files of functions, and environments, that nobody used for long."""
    for path in _old_files(now):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _old_files(now: float) -> Iterator[Path]:
    for folder in (state_folder() / "jobs", environments_folder()):
        for path in folder.glob("*"):
            if _is_older(path, now - FILES_KEPT_S):
                yield path


def _is_older(path: Path, oldest: float) -> bool:
    try:
        return path.lstat().st_mtime < oldest
    except FileNotFoundError:
        return False  # RACE: somebody else tidies up

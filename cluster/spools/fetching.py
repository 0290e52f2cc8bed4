"""Bringing what a job left in a lab's archive into the folder that its files are in."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from cluster.engines.protocol import JobPlan
from cluster.errors import ClusterError
from cluster.naming import FileKind
from cluster.records import join_exit
from cluster.spools.ids import SpoolId
from cluster.spools.shipping import LEFT
from spoold.snapshot import read_record
from spoold.spool import Spool

_STREAMS = {FileKind.OUT: "stdout.txt", FileKind.ERR: "stderr.txt"}


def fetch(spool: Spool, plan: JobPlan, batch: SpoolId, tasks: Sequence[int | None]) -> None:
    """Bring output, exit code and result of each task that ran. Raises ClusterError."""
    for task in tasks:
        name = plan.files.name if task is None else str(task)
        try:
            _fetch_task(spool, plan, spool.layout.archived_job(batch.namespace, batch.batch, name), task)
        except OSError as error:
            raise ClusterError(
                f"what job {batch} left can't be fetched",
                f"{error.filename}: {error.strerror}",
                f"see: distribute pull {batch.key}",
            ) from error


def _fetch_task(spool: Spool, plan: JobPlan, left: Path, task: int | None) -> None:
    record = read_record(spool, left)
    if record is None:
        return  # it never ran
    for kind, name in _STREAMS.items():
        _copy(left / name, plan.files.written(kind, task))
    code = join_exit(record.exit_code or 0, record.signal or 0)
    _write(plan.files.written(FileKind.EXIT, task), f"{code}\n".encode())
    result = left / f"{LEFT}.{FileKind.RESULT}"
    if f"{LEFT}.{FileKind.RESULT}" in spool.ops.names(left):
        _check_owner(spool, result)
        _copy(result, plan.files.written(FileKind.RESULT, task))
    if f"{LEFT}.{FileKind.FILES}" in spool.ops.names(left):
        # They may be large, and they stay in the archive: a link will do.
        place = plan.files.written(FileKind.FILES, task)
        place.unlink(missing_ok=True)
        place.symlink_to(left / f"{LEFT}.{FileKind.FILES}")


def _check_owner(spool: Spool, result: Path) -> None:
    """A pickle is read later: it must be the service's, and nobody else's. Raises ClusterError."""
    info = result.lstat()
    trusted = {spool.root.stat().st_uid, os.geteuid(), 0}
    if not stat.S_ISREG(info.st_mode) or info.st_uid not in trusted:
        raise ClusterError(
            f"{result} isn't read", "it isn't a plain file of the spool's owner", "see whose it is: ls -l"
        )


def _copy(source: Path, target: Path) -> None:
    with open(source, "rb") as opened, open(_private(target), "wb") as made:
        shutil.copyfileobj(opened, made)
    _private(target).replace(target)


def _write(target: Path, data: bytes) -> None:
    _private(target).write_bytes(data)
    _private(target).replace(target)


def _private(target: Path) -> Path:
    return target.with_name(f"{target.name}.new")

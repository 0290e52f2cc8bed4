"""Bringing what a job left in a lab's archive into the folder that its files are in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO

from cluster.engines.protocol import JobPlan
from cluster.errors import ClusterError
from cluster.functions.results import open_trusted
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
    _write(plan.files.written(FileKind.EXIT, task), BytesIO(f"{code}\n".encode()))
    result = left / f"{LEFT}.{FileKind.RESULT}"
    if f"{LEFT}.{FileKind.RESULT}" in spool.ops.names(left):
        _copy_result(spool, result, plan.files.written(FileKind.RESULT, task))
    if f"{LEFT}.{FileKind.FILES}" in spool.ops.names(left):
        # They may be large, and they stay in the archive: a link will do.
        place = plan.files.written(FileKind.FILES, task)
        place.unlink(missing_ok=True)
        place.symlink_to(left / f"{LEFT}.{FileKind.FILES}")


def _copy_result(spool: Spool, source: Path, target: Path) -> None:
    """A pickle is read later: it must be the service's, and nobody else's. Raises ResultError."""
    with open_trusted(source, {spool.root.stat().st_uid, os.geteuid(), 0}) as opened:
        _write(target, opened)


def _copy(source: Path, target: Path) -> None:
    with open(source, "rb") as opened:
        _write(target, opened)


def _write(target: Path, content: IO[bytes]) -> None:
    private = target.with_name(f"{target.name}.new")
    with open(private, "wb") as made:
        shutil.copyfileobj(content, made)
    private.replace(target)

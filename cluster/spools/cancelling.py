"""Asking a spool to cancel jobs: a file called ``kill`` in the batch's folder."""

from __future__ import annotations

import time
from contextlib import suppress

from cluster.errors import ClusterError
from cluster.spools.ids import SpoolId, parse_id
from spoold.layout import FILE_MODE
from spoold.snapshot import BatchRef, find_batch
from spoold.spool import Spool

_ADMISSION_S = 10.0
_LOOK_EVERY_S = 0.05


def cancel(spool: Spool, job_id: str) -> None:
    """Cancel a job, or a task of an array; one that has ended or isn't known is passed over.

    Raises ClusterError if it can't be asked for.
    """
    job = parse_id(job_id)
    ref = _find(spool, job) if job else None
    if job is None or ref is None or ref.finished:
        return
    mark = ref.folder.kill(job.task)
    # FileNotFoundError: its last job just ended. FileExistsError: it is asked for already.
    with suppress(FileNotFoundError, FileExistsError):
        try:
            spool.ops.write_new(mark, b"")
            spool.ops.set_mode(mark, FILE_MODE)
        except PermissionError as error:
            raise ClusterError(
                f"job {job_id} can't be cancelled", f"{mark}: {error.strerror}", "whose is it? see: ls -l"
            ) from error


def _find(spool: Spool, job: SpoolId) -> BatchRef | None:
    """Where its batch stands; one that was just dropped is waited for."""
    deadline_s = time.monotonic() + _ADMISSION_S
    while True:
        dropped = any(
            name.startswith(f"{job.namespace}.{job.batch}.")
            for name in spool.ops.names(spool.layout.incoming)
        )
        ref = find_batch(spool, job.namespace, job.batch)
        if ref is not None or not dropped or time.monotonic() > deadline_s:
            return ref
        time.sleep(_LOOK_EVERY_S)

"""Keeping results of different attempts apart: what was pulled of an earlier one makes room."""

from __future__ import annotations

import os

from distribute_cli.pulling.archived import ArchivedBatch, ArchivedJob
from distribute_cli.pulling.places import Place, open_file, open_folder
from distribute_compute_config.errors import DistributeError
from spoold.codec import RecordError, decode
from spoold.layout import RECORD_NAME
from spoold.records import JobRecord
from spoold.tickets import Ticket


def set_aside(batch: ArchivedBatch, target: Place, dry: bool) -> list[str]:
    """Rename ``JOB`` at the destination to ``JOB~ATTEMPT``, as in the archive, where a newer one is to come.

    Returns the new names. Raises DistributeError if one is taken.
    """
    moved = []
    for job in batch.jobs:
        pulled = _read_attempt(job, target)
        if pulled is None or pulled == job.record.attempt or "~" in job.folder:
            continue
        name = Ticket(job.folder, pulled).attempt_name
        if not dry:
            _rename(target, job.folder, name)
        moved.append(name)
    return moved


def _read_attempt(job: ArchivedJob, target: Place) -> int | None:
    try:
        with open_file(target, (job.folder, RECORD_NAME)) as opened:
            data = opened.read()
        return decode(JobRecord, data or b"", job.folder).attempt
    except (OSError, RecordError):
        # There is no record that we pulled: nothing tells of which attempt these files are.
        return None


def _rename(target: Place, old: str, new: str) -> None:
    with open_folder(target, ()) as folder:
        try:
            os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            raise DistributeError(
                f"{target.path / old} holds an earlier attempt",
                f"{new} is taken: {error.strerror}",
                "remove one",
            ) from error

"""From what the archive holds and what is wanted to the list of files to pull. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from distribute_cli.pulling.archived import ArchivedBatch, ArchivedJob
from distribute_cli.pulling.filters import Filters
from distribute_cli.pulling.places import UnsafePath, split_path
from spoold.layout import RECORD_NAME

#: The year 2242: further than some file systems can count.
_TIME_MAX_S = 2.0**33


@dataclass(frozen=True, slots=True)
class PullFile:
    """A file to pull: ``parts`` is its path below the batch, in the archive and at its destination.

    ``sha256`` is None for the few files that no record speaks of. The copy gets the time ``modified_at``:
    for results the end of their job, so that it tells one attempt's files from another's.
    """

    parts: tuple[str, ...]
    size_bytes: int
    sha256: str | None
    modified_at: float

    @property
    def name(self) -> str:
        """``JOB/path``, as filters see it."""
        return "/".join(self.parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to pull, and which names in records were refused."""

    files: tuple[PullFile, ...]
    refused: tuple[UnsafePath, ...]


def make_plan(batch: ArchivedBatch, filters: Filters) -> Plan:
    """Every wanted file once; a job's record comes with any file of the job, unless it is excluded."""
    files = [PullFile((one.name,), one.size_bytes, None, one.modified_at) for one in batch.loose]
    planned = {file.parts: file for file in files if filters.select(file.name)}
    refused: list[UnsafePath] = []
    for job in batch.jobs:
        wanted = [file for file in _list_files(job, refused) if filters.select(file.name)]
        record = _record_file(job)
        if (wanted and not filters.exclude(record.name)) or filters.select(record.name):
            wanted.append(record)
        planned.update((file.parts, file) for file in wanted)
    return Plan(tuple(planned.values()), tuple(refused))


def _list_files(job: ArchivedJob, refused: list[UnsafePath]) -> Iterator[PullFile]:
    for file in job.record.files:
        try:
            parts = (job.folder, *split_path(file.path))
        except UnsafePath as error:
            refused.append(UnsafePath(f"{job.folder}: {error.what}", error.why))
            continue
        if file.path != RECORD_NAME:
            yield PullFile(parts, file.size_bytes, file.sha256, _end_of(job))


def _record_file(job: ArchivedJob) -> PullFile:
    digest = hashlib.sha256(job.data).hexdigest()
    return PullFile((job.folder, RECORD_NAME), len(job.data), digest, _end_of(job))


def _end_of(job: ArchivedJob) -> float:
    """When the job ended, if that is a time that a file can have."""
    ended_at = job.record.ended_at
    return ended_at if 0 <= ended_at < _TIME_MAX_S else 0.0

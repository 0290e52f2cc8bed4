"""The ids of jobs of a spool: ``NAMESPACE/BATCH``; of a task of an array ``NAMESPACE/BATCH/INDEX``. Pure."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cluster.naming import JobFiles
from distribute_compute_config.names import InvalidName, check_name

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_MAX = 80


@dataclass(frozen=True, slots=True)
class SpoolId:
    """A batch, or job ``task`` of it."""

    namespace: str
    batch: str
    task: str | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.namespace, self.batch, self.task)))

    @property
    def key(self) -> str:
        """The batch's name, with its namespace."""
        return f"{self.namespace}/{self.batch}"


def parse_id(text: str) -> SpoolId | None:
    """The job of that id; None if no job of a spool can have it."""
    parts = text.split("/")
    if len(parts) not in (2, 3):
        return None
    try:
        return SpoolId(*(check_name("part of a job id", part) for part in parts))
    except InvalidName:
        return None


def name_batch(files: JobFiles) -> str:
    """The name of the batch of a job with these files; nobody else has it."""
    return f"{files.name[:_NAME_MAX]}-{files.unique}"


def name_file_batch(script: Path) -> str:
    """A name for the batch of a job file that was made elsewhere; nobody else has it."""
    name = _UNFIT.sub("_", script.name).strip("._-")[:_NAME_MAX] or "script"
    return f"{name}-{secrets.token_hex(4)}"


def name_shown(batch: str) -> str:
    """The job's own name, of the name of its batch."""
    return batch.rpartition("-")[0] or batch


def name_namespace(user: str) -> str:
    """The namespace of a user's jobs."""
    return _UNFIT.sub("_", user).strip("._-")[:_NAME_MAX] or "jobs"

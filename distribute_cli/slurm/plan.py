"""An export as values: files with their contents, and what is submitted in which order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that is made: ``path`` is relative to the export."""

    path: str
    text: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file that is copied: ``source`` is its path in the job file, ``sha256`` that of what it must hold."""

    path: str
    source: str
    sha256: str
    size_bytes: int
    executable: bool


@dataclass(frozen=True, slots=True)
class FilledFile:
    """A template with its values."""

    path: str
    content: bytes
    executable: bool


ExportFile = TextFile | CopiedFile | FilledFile


@dataclass(frozen=True, slots=True)
class Submission:
    """One ``sbatch``: a job, the build or an array. ``folder`` is where it starts, ``after`` names others.

    ``tasks`` is the number of jobs in it.
    """

    name: str
    folder: str
    script: str
    after: tuple[str, ...] = ()
    tasks: int = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where ``rsync_upload.sh`` brings the export to: what was given of it."""

    username: str | None = None
    address: str | None = None
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A batch for Slurm. ``folders`` are empty ones; ``notes`` tell what isn't carried over."""

    namespace: str
    batch: str
    kind: str
    jobs_total: int
    files: tuple[ExportFile, ...]
    folders: tuple[str, ...]
    submissions: tuple[Submission, ...]
    notes: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Of all different contents that are copied."""
        copied = [file for file in self.files if isinstance(file, CopiedFile)]
        return sum({(file.sha256, file.executable): file.size_bytes for file in copied}.values())

"""An attempt on this node's disk: its run, and what it saved until that is uploaded."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodewatch.capacity import Grant
from nodewatch.evicting import read_eviction
from nodewatch.folders import remove, replace_text, unlock, unlock_folder
from nodewatch.process import ExitRecord, is_of_this_boot, read_exit, was_started
from spoold.calls import sync_file_system
from spoold.tickets import Ticket, parse_tickets


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """``SCRATCH/runs/NAMESPACE/BATCH/JOB~ATTEMPT``: the run's files, and ``save/`` once it has ended.

    The folder keeps its name when its run becomes a later attempt: its processes are known by that name.
    """

    path: Path

    @property
    def attempt_name(self) -> str:
        """``JOB~ATTEMPT`` as it counts now. Raises OSError."""
        try:
            later = self._later.read_text()
        except FileNotFoundError:
            return self.path.name
        # A power failure may leave it empty.
        return later if parse_tickets([later]) else self.path.name

    @property
    def _later(self) -> Path:
        return self.path / "attempt"

    @property
    def stdout(self) -> Path:
        return self.path / "stdout.txt"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr.txt"

    @property
    def save(self) -> Path:
        return self.path / "save"

    @property
    def build(self) -> Path:
        """The run of the build that came before this attempt."""
        return self.path / "build"

    @property
    def container(self) -> Path:
        """What a job in a container has of its own."""
        return self.path / "container"

    def make(self) -> None:
        """Raises FileExistsError: this attempt was made before."""
        while True:
            try:
                self.path.mkdir()
                return
            except FileNotFoundError:
                # RACE: the empty folder above may be tidied away again.
                self.path.parent.mkdir(parents=True, exist_ok=True)

    def become(self, ticket: Ticket) -> None:
        """From now on what is here counts as this attempt."""
        replace_text(self._later, ticket.attempt_name)

    def keep_grant(self, grant: Grant) -> None:
        """For the next daemon; a job that has the whole node has no note of that."""
        if not grant.whole:
            replace_text(self._grant, grant.to_json())

    def grant(self) -> Grant | None:
        """What the attempt has of this node; None: all of it. Raises OSError or ValueError."""
        try:
            return Grant.from_json(self._grant.read_text())
        except FileNotFoundError:
            return None

    @property
    def _grant(self) -> Path:
        return self.path / "grant.json"

    def exit(self) -> ExitRecord | None:
        """How its run ended; None if it hasn't, or if that isn't known for sure.

        When a machine loses its power, what a job wrote just before may be cut off although the record
        stands: one of an earlier boot counts only if all was flushed.
        """
        if not is_of_this_boot(self.path) and not self._flushed.exists():
            return None
        return read_exit(self.path)

    def flush(self) -> None:
        """Bring all of it to stable storage, as it can't be delivered soon. Raises OSError."""
        if not self._flushed.exists():
            sync_file_system(self.path)
            self._flushed.touch()

    @property
    def _flushed(self) -> Path:
        return self.path / "flushed"

    def started(self) -> bool:
        return was_started(self.path)

    def evicted(self) -> str:
        """Why its eviction was begun; empty if it wasn't. Raises OSError."""
        eviction = read_eviction(self.path)
        return eviction.reason if eviction else ""

    def keep_saved(self, saved: Path) -> None:
        """Take what the job saved out of its tree, which the next job uses; safe to repeat."""
        try:
            # A job may have taken its own permissions from what it saved, or from the tree itself.
            unlock_folder(saved.parent)
            if not stat.S_ISDIR(os.lstat(saved).st_mode):
                raise NotADirectoryError(saved)
            unlock(saved)
            os.rename(saved, self.save)
        except (FileNotFoundError, NotADirectoryError):
            # The job removed the folder, or put something in its place: it saved nothing here.
            self.save.mkdir(exist_ok=True)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def complete(self) -> None:
        """Make what an attempt that never ran lacks, but for ``save``: it says that a run has ended."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.stdout.touch()
        self.stderr.touch()

    def remove(self) -> None:
        """Remove it with all that is in it; an attempt that the disk had no room for has none."""
        try:
            entries = list(os.scandir(self.path))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_folder(Path(entry.path))
            else:
                os.unlink(entry.path)
        self.path.rmdir()


def _remove_folder(folder: Path) -> None:
    try:
        # Most jobs that save nothing leave it empty: one system call.
        folder.rmdir()
    except OSError:
        remove(folder)


def attempt_folder(runs: Path, namespace: str, batch: str, ticket: Ticket) -> AttemptFolder:
    """Where the attempt stands, or would stand."""
    folder = AttemptFolder(Path(runs, namespace, batch, ticket.attempt_name))
    if folder.path.exists():
        return folder
    for other in attempts_of(folder.path.parent, ticket.job):
        if other.attempt_name == ticket.attempt_name:
            return other
    return folder


def attempts_of(batch: Path, job: str) -> list[AttemptFolder]:
    """The job's attempts in ``SCRATCH/runs/NAMESPACE/BATCH``; none if that isn't there."""
    try:
        names = os.listdir(batch)
    except FileNotFoundError:
        return []
    return [AttemptFolder(batch / name) for name in names if name.rpartition("~")[0] == job]


def list_attempts(runs: Path) -> Iterator[AttemptFolder]:
    """All that stand on this disk, whole or not."""
    for path in sorted(runs.glob("*/*/*")):
        yield AttemptFolder(path)

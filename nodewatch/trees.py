"""A batch's tree on this node: what a build and a job find, and what a job leaves."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nodewatch.cache import Cache
from nodewatch.folders import make_empty, remove
from spoold.calls import read_plain
from spoold.records import BatchHeader, Input, JobSpec
from spoold.spool import Spool

_BUILT = ".distribute-built"


@dataclass(frozen=True, slots=True)
class Tree:
    """``SCRATCH/work/NAMESPACE/BATCH``, or a copy of it, ``BATCH~PLACE``, for one of several jobs at once."""

    path: Path

    @property
    def initial_files(self) -> Path:
        return self.path / "initial_files"

    @property
    def input(self) -> Path:
        return self.path / "input"

    @property
    def resume(self) -> Path:
        """What an evicted attempt of the job saved."""
        return self.input / "resume"

    @property
    def save(self) -> Path:
        return self.path / "distribute_save"

    def ready(self, header: BatchHeader) -> bool:
        """Whether it was made whole for this very batch, and built where the batch has a build."""
        try:
            return read_plain(self.path / _BUILT, len(header.id) + 1) == header.id.encode()
        except OSError:
            # It isn't there, or a job locked it: the tree is made anew.
            return False

    def mark_ready(self, header: BatchHeader) -> None:
        # Gone first: a build may have put a link there.
        remove(self.path / _BUILT)
        (self.path / _BUILT).write_text(header.id)

    def make(self, header: BatchHeader, spool: Spool, cache: Cache) -> None:
        """Make it anew, as the build shall find it."""
        remove(self.path)
        for folder in (self.initial_files, self.input, self.save):
            folder.mkdir(parents=True)
        _place(header.initial_files, self.initial_files, spool, cache)
        _place(header.initial_files, self.input, spool, cache)
        if header.build_script:
            _copy(cache.fetch(spool, header.build_script), self.path / "build.py", header.build_script)
        if header.build_command:
            self._link_inputs(header.initial_files)

    def prepare(self, header: BatchHeader, job: JobSpec, spool: Spool, cache: Cache) -> None:
        """Rebuild ``input/`` and empty ``distribute_save/`` for a job."""
        make_empty(self.input)
        make_empty(self.save)
        _place(header.initial_files, self.input, spool, cache, local=self.initial_files)
        _place(job.inputs, self.input, spool, cache)
        if job.script:
            _copy(cache.fetch(spool, job.script), self.path / "job.py", job.script)
        if job.command is not None:
            self._link_inputs((*header.initial_files, *job.inputs))

    def copy_from(self, built: Tree) -> None:
        """Make this a copy of a tree that is ready; where the file system can, both share their blocks.

        Raises OSError.
        """
        private = self.path.with_name(f"{self.path.name}.new")
        for folder in (private, self.path):
            remove(folder)
        done = subprocess.run(
            ["cp", "-a", "--reflink=auto", "--", str(built.path), str(private)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            raise OSError(errno.EIO, f"can't be copied: {done.stderr.strip()[-200:]}", str(built.path))
        private.rename(self.path)

    def _link_inputs(self, inputs: Iterable[Input]) -> None:
        """Let each file of ``input/`` appear beside it too, so that ``./solver a.json`` works."""
        for entry in os.scandir(self.path):
            if entry.is_symlink() and os.readlink(entry.path).startswith("input/"):
                os.unlink(entry.path)
        for one in inputs:
            place = self.path / one.name
            # What the build or an earlier job left under that name stays.
            if not os.path.lexists(place):
                place.symlink_to(f"input/{one.name}")

    def remove(self) -> None:
        remove(self.path)


def _place(
    inputs: Iterable[Input], folder: Path, spool: Spool, cache: Cache, local: Path | None = None
) -> None:
    for one in inputs:
        # A build may change what it was given, and that counts; but not a link or a folder in its place.
        here = local is not None and _is_plain(local / one.name)
        source = local / one.name if local and here else cache.fetch(spool, one)
        _copy(source, folder / one.name, one)


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode) and os.access(path, os.R_OK)
    except OSError:
        return False


def _copy(source: Path, target: Path, one: Input) -> None:
    # Gone first: a job may have put a link or a folder there.
    remove(target)
    shutil.copyfile(source, target)
    target.chmod(0o755 if one.executable else 0o644)

"""The folder that a run's results go to: only ever made by us, and removed only if it was.

``.distribute-run`` in it says that a run made the folder, and is locked as long as that goes on.
``.running/`` is the private spool, gone when the run has ended. ``archived_files/`` holds the results.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from distribute_compute_config.errors import DistributeError
from nodewatch.folders import remove
from spoold.layout import SETTINGS_NAME
from spoold.local_node import LocalNode, NodeOptions
from spoold.mounts import is_local
from spoold.private import open_private

MARKER = ".distribute-run"
_RUNNING = ".running"
_ARCHIVED = "archived_files"
_END_S = 60.0


class SaveDirRefused(DistributeError):
    """The folder for results is there, or can't be used."""


class SaveDir:
    """``path`` of a run. ``claim`` it, and ``release`` it at the end, whatever comes in between."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        self.results = self.path / _ARCHIVED
        self._lock = FileLock(self.path / MARKER, timeout=0)
        self._place = self.path / _RUNNING

    @property
    def place(self) -> Path:
        """Where the private spool goes: a local disk, where what it archives can be moved from at no cost."""
        return self._place

    def claim(self, clean: bool, needed: Iterable[Path]) -> None:
        """Make the folder, or empty it if ``clean``, unless one of the ``needed`` files is in it.

        Raises SaveDirRefused; then nothing was touched.
        """
        try:
            self.path.mkdir(parents=True)
        except FileExistsError:
            self._require_ours(clean)
            self._require_dispensable(needed)
        except OSError as error:
            raise SaveDirRefused(
                f"{self.path} can't be made", f"{error.filename}: {error.strerror}", "give another --save-dir"
            ) from error
        self._take()
        self._empty()
        if not is_local(self.path):
            self._place = Path(tempfile.mkdtemp(prefix="distribute-run-"))

    def keep(self, source: Path) -> None:
        """Move a result here."""
        self.results.mkdir(exist_ok=True)
        shutil.move(source, self.results / source.name)

    def release(self) -> None:
        """Remove the private spool, and the folder too if nothing came of the run."""
        if not (self._holds_spool() and self._node().lives()):
            remove(self._place)
        nothing_came = not self.results.exists()
        if nothing_came:
            (self.path / MARKER).unlink(missing_ok=True)
        self._lock.release()
        if nothing_came:
            with suppress(OSError):
                self.path.rmdir()

    def _require_ours(self, clean: bool) -> None:
        info = self.path.lstat()
        if not stat.S_ISDIR(info.st_mode):
            what = "a link" if stat.S_ISLNK(info.st_mode) else "no folder"
            raise SaveDirRefused(f"{self.path} is {what}", "", "give another --save-dir")
        if info.st_uid != os.geteuid():
            # Its owner could put another spool, and so other jobs, in place of ours.
            raise SaveDirRefused(f"{self.path} is somebody else's", "", "give another --save-dir")
        if not clean:
            raise SaveDirRefused(
                f"{self.path} is there already",
                "nothing in it is touched",
                "to remove it, add: --clean-save\nto keep it, give another: --save-dir D",
            )
        if not self._is_marked() and any(self.path.iterdir()):
            raise SaveDirRefused(
                f"{self.path} wasn't made by distribute run",
                "so that --clean-save doesn't remove it",
                "give another --save-dir, or remove it yourself",
            )

    def _is_marked(self) -> bool:
        try:
            info = (self.path / MARKER).lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(info.st_mode)

    def _require_dispensable(self, needed: Iterable[Path]) -> None:
        real = self.path.resolve()
        for path in (Path.home(), Path.cwd(), *needed):
            if path.resolve().is_relative_to(real):
                raise SaveDirRefused(
                    f"{self.path} can't be emptied", f"{path} is in it", "give another --save-dir"
                )

    def _take(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise SaveDirRefused(
                f"another distribute run uses {self.path}", "", "give another --save-dir, or wait for its end"
            ) from error

    def _empty(self) -> None:
        """Remove what an earlier run left, once nothing of it runs any more."""
        if self._holds_spool():
            self._node().stop(_END_S)
        for entry in self.path.iterdir():
            if entry.name != MARKER:
                remove(entry)

    def _holds_spool(self) -> bool:
        return not self._place.is_symlink() and (self._place / "spool" / SETTINGS_NAME).exists()

    def _node(self) -> LocalNode:
        return LocalNode(open_private(self._place), NodeOptions())

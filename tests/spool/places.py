"""Where a spool may lie: in a local folder, or behind two mounts whose caches are stale.

A ``bindfs`` mount with cache timeouts is a double of an NFS client: for ``CACHE_S`` seconds it believes what
it looked up by name, be it there or missing, whatever others did meanwhile through another mount.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spoold.spool import Spool, open_spool
from spoold.steward import Steward
from tests.spool.lab import Disk, Lab, make_lab
from tests.support import wait_until

CACHE_S = 1
_OPTIONS = ",".join(f"{what}_timeout={CACHE_S}" for what in ("attr", "entry", "negative"))


@dataclass(frozen=True)
class Pair:
    """One spool as seen by two hosts; their clock is one."""

    here: Lab
    there: Lab

    def warm(self) -> None:
        """Both hosts have looked at everything."""
        for lab in (self.here, self.there):
            for path in lab.spool.root.rglob("*"):
                path.lstat()

    def sweep_as(self, spool: Spool) -> None:
        """One look of a new steward here."""
        Steward(spool, self.here.clock).sweep()


class Places:
    """Makes one pair after another; ``roots`` are the two ways to one folder, ``stale`` if by such mounts."""

    def __init__(self, roots: tuple[Path, Path], stale: bool) -> None:
        self._roots, self.stale = roots, stale
        self._count = 0

    def pair(self) -> Pair:
        self._count += 1
        here = make_lab(self._roots[0] / str(self._count))
        root = self._roots[1] / str(self._count) / "spool"
        return Pair(here, Lab(open_spool(root, Disk(root)), here.scratch, here.clock))


def missing_for_mounts() -> str:
    """Why nothing can be mounted here; empty if it can be tried."""
    if not shutil.which("bindfs"):
        return "bindfs is missing: .ci/prepare extras bindfs=bindfs"
    return "" if os.access("/dev/fuse", os.R_OK | os.W_OK) else "/dev/fuse can't be opened"


@contextmanager
def stale_mounts(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two mounts of one new folder below ``folder``. Raises OSError where mounting isn't allowed."""
    real, one, two = (folder / name for name in ("real", "one", "two"))
    real.mkdir()
    with ExitStack() as stack:
        for point in (one, two):
            point.mkdir()
            stack.enter_context(mounted(real, point))
        yield one, two


@contextmanager
def mounted(real: Path, point: Path) -> Iterator[subprocess.Popen[str]]:
    """``real`` seen at ``point``, through the process given. Raises OSError where mounting isn't allowed."""
    command = ["bindfs", "-f", "-o", _OPTIONS, str(real), str(point)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: os.path.ismount(point) or server.poll() is not None, what="a bindfs mount")
        if server.poll() is not None:
            raise OSError(f"bindfs: {server.stderr.read().strip() if server.stderr else ''}")
        yield server
    finally:
        server.terminate()
        server.communicate(timeout=20)

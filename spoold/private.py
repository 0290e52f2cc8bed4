"""A spool of one person on one machine: no lab, nothing that others could see, times that suit a local disk.

Its folder holds ``spool/``, and of its node ``local.scratch/`` and ``local.log``. See ``spoold.local_node``
for that node, which is a daemon like any other.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from distribute_compute_config.errors import DistributeError
from spoold.bundles import collect, drop_bundle
from spoold.following import name_drop
from spoold.layout import SETTINGS_NAME
from spoold.spool import Settings, Spool, init_spool, open_spool

if TYPE_CHECKING:
    from distribute_compute_config.loading import LoadedJobFile

#: What costs a file server too much costs a local disk nothing.
QUICK = Settings(heartbeat_s=2.0, lease_s=30.0, settle_s=0.2, rescan_s=0.2, retry_wait_s=1.0)

_OWNER_ONLY = 0o700
_MAKING_NAME = "making.lock"


class NotPrivate(DistributeError):
    """The folder can't hold a private spool."""


@dataclass(frozen=True, slots=True)
class PrivateSpool:
    """An open private spool, and the folder that it and its node are in."""

    folder: Path
    spool: Spool


def open_private(folder: Path) -> PrivateSpool:
    """The private spool in ``folder``, which is made if it isn't there, by one of all who ask at a time.

    Raises NotPrivate if others own the folder, or NoSpool if an earlier or later version made it.
    """
    folder = folder.absolute()
    _make_private(folder)
    root = folder / "spool"
    with FileLock(folder / _MAKING_NAME):
        if not (root / SETTINGS_NAME).exists():
            # Whoever began to make it died before it was a spool.
            shutil.rmtree(root, ignore_errors=True)
            init_spool(root, QUICK)
    return PrivateSpool(folder, open_spool(root))


def submit(
    private: PrivateSpool,
    loaded: LoadedJobFile,
    base: Path,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Bring a job file and its inputs, which are found from ``base``, to the drop box; returns the drop.

    Then see that a node lives: ``LocalNode.ensure``. Raises InputChanged, SpoolFull or OSError.
    """
    meta = loaded.jobfile.meta
    name = name_drop(f"{meta.namespace}/{meta.batch_name}")
    return drop_bundle(private.spool, collect(loaded, base, progress), name)


def _make_private(folder: Path) -> None:
    """Make the folder, for its owner only; one that was open to others is closed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(_OWNER_ONLY)
    except FileExistsError:
        info = folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
            what = "somebody else's" if stat.S_ISDIR(info.st_mode) else "a link or a file"
            raise NotPrivate(
                f"{folder} can't hold a private spool", f"it is {what}", "remove it, or name another folder"
            ) from None
    folder.chmod(_OWNER_ONLY)

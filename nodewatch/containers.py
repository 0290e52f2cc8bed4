"""A job's container on this node: what it is made of, in the attempt's folder until the job has ended.

=================  ============================================================================
``image.sif``      a second name of the image in the node's cache, which so can't lose it
``work/``          the job's home and temporary files
``mounts/0`` …     one empty folder for each of the batch's ``required_mounts``
=================  ============================================================================
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from distribute_compute_config.container import BINARIES, Folders, container_argv
from nodewatch.cache import Cache
from nodewatch.engine import find_engine
from nodewatch.environment import job_argv
from nodewatch.folders import remove
from nodewatch.queue import Claimed
from nodewatch.trees import Tree
from spoold.spool import Spool

_log = logging.getLogger(__name__)


def make_ready(claimed: Claimed, folder: Path, tree: Tree, spool: Spool, cache: Cache) -> tuple[str, ...]:
    """The command line of a job of any kind; one in a container has it made in ``folder`` before.

    Raises CorruptObject, or OSError if there is no room for the image.
    """
    cores = len(claimed.grant.cores)
    if claimed.header.image is None:
        return job_argv(claimed.job, cores)
    remove(folder)
    image, work = folder / "image.sif", folder / "work"
    mounts = [
        (folder / "mounts" / str(number), inside)
        for number, inside in enumerate(claimed.header.required_mounts)
    ]
    for one in (work, *(outside for outside, _ in mounts)):
        one.mkdir(parents=True)
    cache.lend(spool, claimed.header.image, image)
    folders = Folders(
        os.fspath(image),
        os.fspath(tree.save),
        os.fspath(tree.input),
        os.fspath(work),
        tuple((os.fspath(outside), inside) for outside, inside in mounts),
    )
    return container_argv(folders, cores, bool(claimed.grant.gpus), find_engine() or BINARIES[0])


def clear(folder: Path) -> None:
    """Remove what was made for a job that has ended: what it left in its mounts may be large."""
    try:
        remove(folder)
    except OSError as error:
        # The job has ended all the same; the folder goes with its attempt.
        _log.warning("%s can't be removed yet: %s", folder, error)

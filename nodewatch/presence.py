"""The node's own folder in the spool, in which everybody may make marks."""

from __future__ import annotations

import errno
import logging
import stat
from contextlib import suppress
from pathlib import Path

from spoold.layout import SHARED_MODE
from spoold.records import NodeInfo, encode
from spoold.spool import Spool

_log = logging.getLogger(__name__)


def make_node_folder(spool: Spool, name: str) -> None:
    """Make the node's folder, open to all, with what must be in it before that."""
    folder = spool.layout.node(name)
    # Never removed: a stranger could put a link there, and the daemon would write where that leads.
    spool.ops.make_folder(folder.logs)
    if not stat.S_ISDIR(folder.logs.lstat().st_mode):
        raise NotADirectoryError(
            errno.ENOTDIR, "a link or a file is where live output goes", str(folder.logs)
        )
    # A steward that took the lease of this name made it otherwise, or a daemon died before its chmod.
    spool.ops.set_mode(folder.path, SHARED_MODE)


def publish_node(spool: Spool, info: NodeInfo) -> None:
    """Say what this workstation is."""
    folder = spool.layout.node(info.name)
    # An earlier daemon's live output: what still runs is copied anew.
    for name in spool.ops.names(folder.logs):
        spool.ops.remove_tree(folder.logs / name)
    spool.ops.replace(folder.info, encode(info))


def take_away(spool: Spool, mark: Path) -> None:
    """Remove a mark that was heard; a folder of that name is a wish too, and may stay."""
    try:
        spool.ops.unlink(mark)
    except IsADirectoryError:
        with suppress(PermissionError):
            spool.ops.remove_empty(mark)
    except PermissionError as error:
        _log.debug("%s stays: %s", mark, error)

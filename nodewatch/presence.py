"""The node's own folder in the spool, in which everybody may make marks, and what it says of itself there."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from nodewatch.config import NodeConfig
from nodewatch.process import Delegation, Undelegated, delegate
from spoold.codec import RecordError, encode
from spoold.layout import SHARED_MODE
from spoold.node_records import Limiting, NodeInfo, Quarantine
from spoold.snapshot import read_status
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


def describe_node(config: NodeConfig, capabilities: Iterable[str], delegation: Delegation | None) -> NodeInfo:
    """What this daemon says of its workstation when it starts."""
    return NodeInfo(
        name=config.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        cores=config.cores,
        memory_bytes=config.memory_bytes,
        gpus=config.gpus,
        capabilities=tuple(sorted(capabilities)),
        scratch=str(config.scratch),
        version=version("distribute-lab"),
        started_at=time.time(),
        limits=Limiting.CGROUP if delegation else Limiting.FALLBACK,
        controllers=delegation.controllers if delegation else (),
    )


def find_delegation(config: NodeConfig) -> Delegation | None:
    """Where runs get their control groups; None if they have none, which the log then explains."""
    found = delegate() if config.cgroups else Undelegated("the configuration says so")
    if isinstance(found, Undelegated):
        _log.info("jobs are limited without control groups: %s", found.why)
        return None
    there = ", ".join(found.controllers) or "no controllers, so that memory is watched"
    _log.info("jobs are limited by control groups in %s: %s", found.base, there)
    return found


def read_quarantines(spool: Spool, node: str) -> tuple[Quarantine, ...]:
    """Those that the daemon before this one reported."""
    try:
        status = read_status(spool, node)
    except RecordError as error:
        _log.warning("%s", error)
        return ()
    return status.quarantines if status else ()

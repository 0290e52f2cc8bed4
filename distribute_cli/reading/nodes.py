"""Reading what the workstations say of themselves."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from distribute_cli.reading.files import open_regular
from distribute_cli.reports.nodes import Life, NodeReport, NodeSeen, NodesReport, judge_life, report_node
from distribute_compute_config.errors import DistributeError
from spoold.snapshot import list_nodes, read_node, read_status
from spoold.spool import Spool

T = TypeVar("T")


def read_nodes(spool: Spool) -> NodesReport:
    """All workstations; a record that can't be read becomes a trouble of its node."""
    room = shutil.disk_usage(spool.root)
    return NodesReport(str(spool.root), time.time(), room.free, room.total, read_node_reports(spool))


def read_node_reports(spool: Spool) -> tuple[NodeReport, ...]:
    """All workstations, by name."""
    lease_s = spool.settings.lease_s
    return tuple(report_node(see_node(spool, name), lease_s, time.time()) for name in list_nodes(spool))


def see_node(spool: Spool, name: str) -> NodeSeen:
    """What stands in ``nodes/NAME``."""
    folder = spool.layout.node(name)
    names = set(spool.ops.names(folder.path))
    troubles: list[str] = []
    # Only what is listed is opened: NFS remembers for a minute that a name wasn't there.
    info = _try(lambda: read_node(spool, name), troubles) if folder.info.name in names else None
    if info is None and not troubles:
        troubles.append(f"no {folder.info.name}: no daemon was ever started here")
    for mark in (folder.pause, folder.drain):
        if mark.name in names and not mark.is_symlink() and mark.is_dir():
            troubles.append(f"{mark} is a folder, not a file; remove it with: rm -r {mark}")
    return NodeSeen(
        name,
        info,
        _try(lambda: read_status(spool, name), troubles) if folder.running.name in names else None,
        read_lease_age(folder.lease) if folder.lease.name in names else None,
        folder.pause.name in names,
        folder.drain.name in names,
        folder.trouble.name in names,
        tuple(troubles),
    )


def _try(read: Callable[[], T | None], troubles: list[str]) -> T | None:
    try:
        return read()
    except DistributeError as error:
        troubles.append(f"{error.what}: {error.why}")
        return None


def read_steward_age(spool: Spool) -> float | None:
    """Seconds since the steward's lease was refreshed; None without one."""
    lease = spool.layout.steward_lease
    return read_lease_age(lease) if lease.name in spool.ops.names(spool.root) else None


def has_steward(spool: Spool) -> bool:
    """Whether somebody seems to do the steward's work, so that drops are admitted; a hint for people."""
    return judge_life(read_steward_age(spool), spool.settings.lease_s) is Life.LIVE


def read_lease_age(path: Path) -> float | None:
    """Seconds since the lease was refreshed, the file server's clock against ours; None without a lease."""
    # Opened, not only looked at: NFS answers an open with fresh times.
    opened = open_regular(path)
    if opened is None:
        return None
    with opened:
        return max(0.0, time.time() - os.fstat(opened.fileno()).st_mtime)

"""What `distribute nodes` says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from distribute_cli.words import say_time
from spoold.node_records import JobPause, Limiting, NodeInfo, NodeStatus, Quarantine, RunningJob


class Life(Enum):
    """Whether a daemon is at work, estimated from when its lease was refreshed and this computer's clock."""

    LIVE = "live"
    SILENT = "silent"
    STOPPED = "stopped"


_OWNER = "owner"

#: Where the file is that asks for a pause, as nodes name it and as people do.
_DOORS = {
    "spool": "a file in the spool",
    "scratch": "a file in its scratch folder",
    "schedule": "its schedule",
}


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What was read of ``nodes/NODE``; ``lease_age_s`` is None if there is no lease."""

    name: str
    info: NodeInfo | None = None
    status: NodeStatus | None = None
    lease_age_s: float | None = None
    pause_mark: bool = False
    drain_mark: bool = False
    spool_full: bool = False
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A workstation; ``silent_s`` is how long ago its lease was refreshed, None once it has stopped.

    ``pausing``: somebody touched ``pause`` and the node hasn't said yet that it did. ``leaving``: its daemon
    has stopped, and said that its jobs go on. Times in Unix seconds.
    """

    name: str
    life: Life
    silent_s: float | None
    host: str
    cores: int
    memory_bytes: int
    gpus: int
    capabilities: tuple[str, ...]
    version: str
    started_at: float | None
    jobs: tuple[RunningJob, ...]
    pausing: bool
    paused_until: float | None
    paused_by: str
    draining: bool
    spool_full: bool
    troubles: tuple[str, ...]
    quarantines: tuple[Quarantine, ...]
    holding: str = ""
    limits: Limiting | None = None
    controllers: tuple[str, ...] = ()
    pauses: tuple[JobPause, ...] = ()
    leaving: bool = False
    scratch_full: bool = False


@dataclass(frozen=True, slots=True)
class NodesReport:
    """All workstations of a spool, and the room on its file system."""

    spool: str
    at: float
    free_bytes: int
    total_bytes: int
    nodes: tuple[NodeReport, ...]


def say_pause(node: NodeReport, now: float) -> str:
    """``paused until 12:00:00 by a file in the spool (touched by anna)``; nothing if it isn't paused."""
    return "" if node.paused_until is None else say_paused(node.paused_until, node.paused_by, now)


def say_paused(until: float, by: str, now: float) -> str:
    """The same of a node, or of a job on it."""
    door, blank, note = by.partition(" ")
    if door == _OWNER:
        # Nobody knows the end; the record's is only there to be later than now.
        return f"paused by its owner until they leave{blank}{note}"
    who = f" by {_DOORS.get(door, door)}{blank}{note}" if door else ""
    return f"paused until {say_time(until, now)}{who}"


def judge_life(lease_age_s: float | None, lease_s: float) -> Life:
    """No lease: stopped. One that wasn't refreshed for ``lease_s``: silent."""
    if lease_age_s is None:
        return Life.STOPPED
    return Life.SILENT if lease_age_s > lease_s else Life.LIVE


def report_node(seen: NodeSeen, lease_s: float, now: float) -> NodeReport:
    """The report of one workstation at Unix time ``now``."""
    info = seen.info
    status = seen.status or NodeStatus(now)
    leased = judge_life(seen.lease_age_s, lease_s)
    # The lease of a daemon that left jobs running stands, so that nobody takes them before the next daemon.
    leaving = status.leaving and leased is not Life.STOPPED
    life = Life.STOPPED if leaving else leased
    # What a daemon said last doesn't hold any more once it has stopped.
    until = status.paused_until if life is not Life.STOPPED and (status.paused_until or 0) > now else None
    pauses = tuple(one for one in status.pauses if life is not Life.STOPPED and one.until > now)
    return NodeReport(
        name=seen.name,
        life=life,
        silent_s=seen.lease_age_s,
        host=info.host if info else "",
        cores=info.cores if info else 0,
        memory_bytes=info.memory_bytes if info else 0,
        gpus=info.gpus if info else 0,
        capabilities=info.capabilities if info else (),
        version=info.version if info else "",
        started_at=info.started_at if info else None,
        jobs=status.jobs if leased is not Life.STOPPED else (),
        pausing=seen.pause_mark and until is None and not pauses,
        paused_until=until,
        paused_by=status.paused_by if until is not None else "",
        draining=seen.drain_mark or (status.draining and life is not Life.STOPPED),
        spool_full=seen.spool_full,
        troubles=(*seen.troubles, *status.troubles),
        quarantines=status.quarantines,
        holding=status.holding if life is not Life.STOPPED else "",
        limits=info.limits if info else None,
        controllers=info.controllers if info else (),
        pauses=pauses,
        leaving=leaving,
        scratch_full=status.scratch_full and life is not Life.STOPPED,
    )

"""What a workstation says of itself, as frozen values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Limiting(Enum):
    """How a node limits its jobs: with control groups of the kernel, or as well as it can without."""

    CGROUP = "cgroup"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """``node.json``: what a workstation is, written when its daemon starts.

    ``controllers`` are those that its jobs' control groups have.
    """

    name: str
    host: str
    pid: int
    cores: int
    memory_bytes: int
    capabilities: tuple[str, ...]
    scratch: str
    version: str
    started_at: float
    gpus: int = 0
    limits: Limiting | None = None
    controllers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HolderRecord:
    """``holder.json``: the token of the node's own hold of its lease, and how often that is refreshed."""

    token: str
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job on a node. ``phase`` is ``preparing``, ``building``, ``running``, ``paused``, ``evicting`` or
    ``uploading``.

    Since when it is on the node, since when in this phase (None: it isn't known), until when it is paused
    (None: it isn't), and when its process was started (None: it wasn't); Unix seconds. ``paused_by`` says
    by whom.
    """

    namespace: str
    batch: str
    job: str
    attempt: int
    phase: str
    since: float
    cpu_s: float = 0.0
    memory_bytes: int = 0
    phase_since: float | None = None
    cores: int = 0
    gpus: int = 0
    paused_until: float | None = None
    paused_by: str = ""
    started_at: float | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A batch that a node takes no jobs from, as its jobs failed there in a row.

    ``provisional``: only until it is known how they fare on other nodes.
    """

    namespace: str
    batch: str
    since: float
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class JobPause:
    """Some jobs are paused on a node, until when (Unix seconds), and by whom.

    ``targets`` are ``NAMESPACE/BATCH`` or ``NAMESPACE/BATCH/JOB``, and need not run there.
    """

    until: float
    by: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """``running.json``: what a node does now, and what troubles it.

    ``paused_until`` and ``paused_by`` are of a pause of the whole node, ``pauses`` are for some jobs only.
    ``holding`` is why it takes no more jobs though what runs goes on. ``leaving``: its daemon has ended
    since, and left its jobs running. ``scratch_full``: it has too little room left to take jobs.
    """

    written_at: float
    jobs: tuple[RunningJob, ...] = ()
    paused_until: float | None = None
    paused_by: str = ""
    draining: bool = False
    troubles: tuple[str, ...] = ()
    quarantines: tuple[Quarantine, ...] = ()
    holding: str = ""
    pauses: tuple[JobPause, ...] = ()
    leaving: bool = False
    scratch_full: bool = False

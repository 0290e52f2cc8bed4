"""What `distribute explain` is made of, and its answer: why a batch or a job is where it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from distribute_cli.reports.nodes import NodeReport
from distribute_cli.reports.ranking import WaitingBatch
from distribute_cli.reports.seen import BatchSeen


class Cause(Enum):
    """What kind of reason it is; programs may rely on these values."""

    KILLED = "killed"
    KILL_IGNORED = "kill-ignored"
    DEPENDENCY = "dependency"
    DEPENDENCY_FAILED = "dependency-failed"
    AFTER = "after"
    AFTER_FAILED = "after-failed"
    RESTING = "resting"
    TOO_LARGE = "too-large"
    KIND = "kind"
    CAPABILITY = "capability"
    COMBINATION = "combination"
    NO_NODE = "no-node"
    NO_STEWARD = "no-steward"
    BUILD_FAILED = "build-failed"
    QUARANTINE = "quarantine"
    LOST = "lost"
    NODE_SILENT = "node-silent"
    NODE_PAUSED = "node-paused"
    NODE_HOLDING = "node-holding"
    NODE_DRAINING = "node-draining"
    NODE_FULL = "node-full"
    NODE_SCRATCH_FULL = "node-scratch-full"
    NODE_BUSY = "node-busy"
    NODE_FREE = "node-free"
    ORDER = "order"
    RUNNING = "running"
    PUBLISHING = "publishing"
    ENDED = "ended"
    MOVING = "moving"


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence; ``jobs`` it is about, ``node`` and ``capability`` where it is about one."""

    cause: Cause
    text: str
    jobs: tuple[str, ...] = ()
    node: str = ""
    capability: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a batch, or one job of it, waits; or that it doesn't. The most telling reason comes first."""

    namespace: str
    batch: str
    job: str | None
    at: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an explanation is made of; ``runnable`` are the kinds of batches that nodes can run.

    ``waiting`` are all batches with pending jobs, if this one has some.

    Times in Unix seconds; ``steward_age_s`` is None without a lease.
    """

    at: float
    seen: BatchSeen
    nodes: tuple[NodeReport, ...]
    build_outputs: Mapping[str, str]
    steward_age_s: float | None
    lease_s: float
    spool: str
    runnable: frozenset[str]
    waiting: tuple[WaitingBatch, ...] = ()

"""How a job on a cluster stands, in one vocabulary: Slurm's, in lower case."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """The states of a job; equal to their words, so ``job.state == "completed"`` holds.

    ``NOT_SUBMITTED`` and ``UNKNOWN`` are ours: nobody asked the cluster yet, and it gave no answer.
    So is ``ENDED``: the job is over, and nothing says how. ``HELD`` is Slurm's pending with a hold.
    """

    NOT_SUBMITTED = "not_submitted"
    UNKNOWN = "unknown"
    PENDING = "pending"
    HELD = "held"
    CONFIGURING = "configuring"
    RUNNING = "running"
    SUSPENDED = "suspended"
    COMPLETING = "completing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_FAIL = "node_fail"
    ENDED = "ended"

    @property
    def is_queued(self) -> bool:
        """Whether the job waits to be started."""
        return self in _QUEUED

    @property
    def is_running(self) -> bool:
        """Whether the job has processors of its own, also while it begins or is suspended."""
        return self in _RUNNING

    @property
    def is_ended(self) -> bool:
        """Whether the job is over, well or not."""
        return self in _ENDED


_QUEUED = frozenset({JobState.PENDING, JobState.HELD})
_RUNNING = frozenset({JobState.CONFIGURING, JobState.RUNNING, JobState.SUSPENDED, JobState.COMPLETING})
_ENDED = frozenset(
    {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMEOUT,
        JobState.OUT_OF_MEMORY,
        JobState.NODE_FAIL,
        JobState.ENDED,
    }
)

#: Slurm's words (squeue(1), sacct(1): JOB STATE CODES); what it adds later reads as UNKNOWN.
SLURM_WORDS = {
    "PENDING": JobState.PENDING,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REVOKED": JobState.CANCELLED,
    "REQUEUE_HOLD": JobState.HELD,
    "RESV_DEL_HOLD": JobState.HELD,
    "SPECIAL_EXIT": JobState.HELD,
    "CONFIGURING": JobState.CONFIGURING,
    "RUNNING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "SUSPENDED": JobState.SUSPENDED,
    "STOPPED": JobState.SUSPENDED,
    "COMPLETING": JobState.COMPLETING,
    "STAGE_OUT": JobState.COMPLETING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "LAUNCH_FAILED": JobState.FAILED,
    "RECONFIG_FAIL": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "PREEMPTED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMEOUT,
    "DEADLINE": JobState.TIMEOUT,
    "OUT_OF_MEMORY": JobState.OUT_OF_MEMORY,
    "NODE_FAIL": JobState.NODE_FAIL,
    "BOOT_FAIL": JobState.NODE_FAIL,
}

#: The letters of Torque and OpenPBS (qstat(1B)) for jobs that aren't over.
PBS_LETTERS = {
    "Q": JobState.PENDING,
    "W": JobState.PENDING,
    "T": JobState.PENDING,
    "M": JobState.PENDING,
    "H": JobState.HELD,
    "R": JobState.RUNNING,
    "B": JobState.RUNNING,
    "S": JobState.SUSPENDED,
    "U": JobState.SUSPENDED,
    "E": JobState.COMPLETING,
}

#: The letters for jobs that are over: Torque's, OpenPBS's, and that of a task of an OpenPBS array.
PBS_ENDED = frozenset("CFX")

"""How an attempt went, in the words and the form of a spool's archive."""

import os
import platform
import signal
from typing import Any, Dict, NamedTuple, Optional

from .records import Batch, Job
from .running import Ended
from .surroundings import count_cores, list_gpus, name_node

#: Slurm looks at time limits once a minute or so: what ends so near to one has met it.
_NEAR_LIMIT_S = 5.0
_UNKNOWN = "unknown"


class Verdict(NamedTuple):
    """``outcome`` is ``done``, ``failed`` or ``cancelled``, ``ending`` as in ``.job.json``."""

    outcome: str
    ending: str
    reason: str


def judge(job: Job, ended: Ended, spent_s: float) -> Verdict:
    """In a node's words; ``spent_s`` is how long this job has had its allocation."""
    if ended.stopped == "killed" and job.limit_s and spent_s >= job.limit_s - _NEAR_LIMIT_S:
        reason = "time limit: Slurm ended it; ask for more with slurm: {time: ...}"
        return Verdict("failed", "time-limit", reason)
    if ended.stopped == "killed":
        return Verdict("cancelled", "killed", "cancelled")
    if ended.stopped == "time-limit":
        return Verdict("failed", "time-limit", job.over_time)
    if ended.start_error:
        return Verdict("failed", "not-started", "it could not be started: " + ended.start_error)
    if ended.exit_code == 0:
        return Verdict("done", "exit", "")
    if ended.signal is None:
        return Verdict("failed", "exit", f"exit code {ended.exit_code}{_name_told_signal(ended.exit_code)}")
    if ended.oom_kills > 0:
        reason = "out of memory: Slurm's limit was met; ask for more with resources: {memory: ...}"
        return Verdict("failed", "out-of-memory", reason)
    reason = f"killed by signal {ended.signal} ({_name_signal(ended.signal)})"
    return Verdict("failed", "signal", reason)


def _name_told_signal(exit_code: Optional[int]) -> str:
    """A shell and a container tell by their exit code that a signal ended what they ran."""
    number = (exit_code or 0) - 128
    name = _name_signal(number)
    return "" if name == _UNKNOWN else f", as after signal {number} ({name})"


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return _UNKNOWN


def make_record(batch: Batch, job: Job, attempt: int, ended: Ended, verdict: Verdict) -> Dict[str, Any]:
    """``.job.json``, but for its list of files."""
    return {
        "namespace": batch.namespace,
        "batch": batch.batch,
        "job": job.job,
        "attempt": attempt,
        "node": name_node(),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "started_at": ended.started_at,
        "ended_at": ended.ended_at,
        "wall_s": ended.wall_s,
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "user_cpu_s": ended.user_cpu_s,
        "system_cpu_s": ended.system_cpu_s,
        "peak_memory_bytes": ended.peak_memory_bytes,
        "cores": count_cores(),
        "core_ids": sorted(os.sched_getaffinity(0)),
        "gpu_ids": list_gpus(),
        "submitter": batch.submitter,
        "versions": {
            "distribute": batch.version,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
        },
        "ending": verdict.ending,
        "read_bytes": ended.read_bytes,
        "written_bytes": ended.written_bytes,
    }

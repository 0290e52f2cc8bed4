"""What to run, and what stands in a run folder: that it was started, how it ended."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodewatch.process.delegation import Delegation
from nodewatch.process.runner import layout

DEFAULT_GRACE_S = 10.0


@dataclass(frozen=True)
class Limits:
    """What a run may use at most; None is no limit. Time is not the runner's: it stands still in a pause.

    ``cpus`` are logical CPUs, by their numbers. ``memory_bytes`` counts all processes together: with a
    control group that has the controller the kernel ends the job, else its runner does, which looks at it at
    least every second. ``pids`` (processes and threads) needs the controller. There is no RLIMIT_AS in place
    of a controller: it limits addresses, of one process each, and CUDA, Java, Go, sanitizers and large OpenMP
    stacks reserve many times what they use, so that no factor is both safe and of use. RLIMIT_NPROC counts
    all processes of the user, those of other jobs too.
    """

    cpus: tuple[int, ...] | None = None
    memory_bytes: int | None = None
    pids: int | None = None
    time_s: float | None = None


@dataclass(frozen=True)
class RunSpec:
    """What to run, where. ``env`` is the whole environment, but for the variable that the runner adds.

    ``argv[0]`` without a slash is looked for in the PATH of ``env``. ``stdout`` and ``stderr`` may be the
    same file; both are emptied first. ``grace_s`` lies between SIGTERM and SIGKILL when the run is stopped.
    ``contained``: it starts a container with a process namespace, and what is in there is the job.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    stdout: Path
    stderr: Path
    grace_s: float = DEFAULT_GRACE_S
    limits: Limits = Limits()
    contained: bool = False

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise ValueError("argv is empty: there is nothing to run")

    def to_request(self, run_dir: Path, delegation: Delegation | None = None) -> dict[str, object]:
        """What a runner is asked for."""
        group = delegation and {"path": str(delegation.group(run_dir)), "home": str(delegation.home)}
        return {
            "run_dir": str(run_dir),
            "argv": self.argv,
            "cwd": str(self.cwd),
            "env": dict(self.env),
            "stdout": str(self.stdout),
            "stderr": str(self.stderr),
            "grace_s": self.grace_s,
            "limits": {
                "cpus": self.limits.cpus,
                "memory_bytes": self.limits.memory_bytes,
                "pids": self.limits.pids,
            },
            "group": group,
            "contained": self.contained,
        }


@dataclass(frozen=True)
class Started:
    """Who runs a job, and since when.

    ``runner_start`` is in clock ticks since boot, ``started_at`` in unix seconds. ``reaped_cpu_s`` is the CPU
    time that the runner had reaped before, from other jobs. ``begin_s`` is in monotonic seconds, which are
    the same for all processes until the next boot; None in the page of an earlier version.
    """

    runner_pid: int
    runner_start: int
    boot_id: str
    started_at: float
    reaped_cpu_s: float
    begin_s: float | None = None

    @classmethod
    def from_json(cls, text: str) -> Started:
        """Raises ValueError if ``text`` is something else."""
        try:
            return cls(**_known(cls, _parse_object(text)))
        except TypeError as trouble:
            raise ValueError(f"not the start of a run: {trouble}") from trouble


@dataclass(frozen=True)
class ExitRecord:
    """How a run ended.

    Exactly one of ``exit_code``, ``signal`` and ``start_error`` is set; ``start_error`` says why the job's
    program could not be executed. ``kill_reason`` is set if the run was stopped on request before it ended by
    itself. Times are unix seconds, except ``wall_s``, which no change of the clock touches and which includes
    suspension. CPU seconds sum over all processes of the job. ``peak_memory_bytes`` is the most that all of
    them had together, as far as that was seen: with the memory controller exact, and with the files that the
    kernel cached for them; else the largest of some looks and of each process's own peak, never below some 10
    MB, which is what a runner has. ``read_bytes`` and ``written_bytes`` went to and from storage; None where
    the kernel doesn't count that. ``memory_limit_bytes`` was its limit, and ``over_memory`` says that it was
    ended for it. ``oom_kills`` says how often the kernel ended one for want of memory, be it the node's.
    ``leftovers_killed`` counts the processes, other than the first, that had to be ended.
    """

    exit_code: int | None
    signal: int | None
    started_at: float
    ended_at: float
    wall_s: float
    user_cpu_s: float
    system_cpu_s: float
    peak_memory_bytes: int
    leftovers_killed: int
    kill_reason: str | None
    start_error: str | None
    read_bytes: int | None = None
    written_bytes: int | None = None
    memory_limit_bytes: int | None = None
    over_memory: bool = False
    oom_kills: int = 0


def read_started(run_dir: Path) -> Started | None:
    """None if the run was never started. Raises OSError if it can't be read."""
    try:
        with (run_dir / layout.STARTED).open("rb") as file:
            return Started.from_json(file.read(layout.STARTED_BYTES).decode())
    except (FileNotFoundError, ValueError):
        return None


def read_session(run_dir: Path) -> tuple[int, int] | None:
    """Pid and start of the first process of a job in a container that runs, or whose runner died.

    None of any other job, and once the exit record stands. Raises OSError if it can't be read.
    """
    try:
        with (run_dir / layout.STARTED).open("rb") as file:
            file.seek(layout.STARTED_BYTES)
            pid, start = _parse_object(file.read(layout.RECORD_BYTES).decode())[layout.SESSION]
        return int(pid), int(start)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def was_started(run_dir: Path) -> bool:
    """Whether a runner took this folder; its job runs, has run, or could not be executed."""
    return (run_dir / layout.STARTED).exists()


def read_exit(run_dir: Path) -> ExitRecord | None:
    """How the run ended; None if it hasn't, or if its runner or the machine died before it could say.

    A record of an earlier boot (see ``Started.boot_id``) is whole, but what the job wrote just before a crash
    of the machine may not be. Raises OSError if it can't be read.
    """
    try:
        with (run_dir / layout.EXIT).open("rb") as file:
            file.seek(layout.STARTED_BYTES)
            fields = _parse_object(file.read(layout.RECORD_BYTES).decode())
        return ExitRecord(**_known(ExitRecord, fields))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _known(kind: type[Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A runner of a later version may say more: it outlives a daemon that is put back."""
    return {field.name: fields[field.name] for field in dataclasses.fields(kind) if field.name in fields}


def _parse_object(text: str) -> dict[str, Any]:
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError(f"not a JSON object: {text[:60]!r}")
    return fields

"""One process and all that comes of it: started, watched, ended, measured."""

import os
import signal
import subprocess
import time
from typing import Any, Dict, List, NamedTuple, Optional, Set

from .processes import MARK, Brood

GRACE_S = 10.0
_TERM = {signal.SIGTERM, signal.SIGINT}


class Ended(NamedTuple):
    """How it went. ``stopped`` is ``killed`` or ``time-limit`` if it was told to end. Times as in records."""

    exit_code: Optional[int]
    signal: Optional[int]
    start_error: str
    stopped: str
    started_at: float
    ended_at: float
    wall_s: float
    user_cpu_s: float
    system_cpu_s: float
    peak_memory_bytes: int
    read_bytes: int
    written_bytes: int
    oom_kills: int


class Task(NamedTuple):
    """``on_evict`` is the number of the signal that is passed on to the job, 0 is none.

    ``contained``: it starts a container, and what is in there is the job.
    """

    argv: List[str]
    cwd: str
    environment: Dict[str, str]
    stdout: str
    stderr: str
    time_s: Optional[float]
    on_evict: int
    contained: bool


def run(task: Task) -> Ended:
    """Run a task to its end. SIGTERM to us ends it, then SIGKILL does after ``GRACE_S``."""
    watched = _TERM | {signal.SIGCHLD} | ({signal.Signals(task.on_evict)} if task.on_evict else set())
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    oom_before, started_at, begin_s = _count_oom_kills(), time.time(), time.monotonic()
    try:
        process = _start(task, watched)
    except OSError as error:
        return _never_started(task, error, started_at)
    brood = Brood(task.cwd, process.pid, task.contained)
    status, usage, stopped = _watch(brood, task, watched, begin_s)
    # Its status is taken: subprocess must not ask for it again.
    process.returncode = status
    _end_rest(brood)
    died = os.WIFSIGNALED(status)
    return Ended(
        exit_code=None if died else os.WEXITSTATUS(status),
        signal=os.WTERMSIG(status) if died else None,
        start_error="",
        stopped=stopped,
        started_at=started_at,
        ended_at=time.time(),
        wall_s=time.monotonic() - begin_s,
        user_cpu_s=usage.ru_utime,
        system_cpu_s=usage.ru_stime,
        peak_memory_bytes=usage.ru_maxrss * 1024,
        read_bytes=usage.ru_inblock * 512,
        written_bytes=usage.ru_oublock * 512,
        oom_kills=_count_oom_kills() - oom_before,
    )


def _start(task: Task, watched: Set[signal.Signals]) -> "subprocess.Popen[bytes]":
    with open(task.stdout, "wb") as out:
        if task.stderr == task.stdout:
            return _launch(task, watched, out, subprocess.STDOUT)
        with open(task.stderr, "wb") as err:
            return _launch(task, watched, out, err)


def _launch(task: Task, watched: Set[signal.Signals], out: Any, err: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        # Whatever this machine's locale is, a job file is UTF-8.
        [word.encode("utf-8", "surrogateescape") for word in task.argv],
        cwd=task.cwd,
        env=dict(task.environment, **{MARK: task.cwd}),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        preexec_fn=lambda: _begin(watched),
    )


def _begin(watched: Set[signal.Signals]) -> None:
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)


def _never_started(task: Task, error: OSError, started_at: float) -> Ended:
    missing = os.fsdecode(error.filename or b"")
    reason = f"{missing}: {error.strerror or error}"
    if task.contained and missing == task.argv[0]:
        reason += (
            "; load it by modules in the job file's slurm section, or ask for other machines by constraint"
        )
    now = time.time()
    return Ended(None, None, reason, "", started_at, now, 0.0, 0.0, 0.0, 0, 0, 0, 0)


def _watch(brood: Brood, task: Task, watched: Set[signal.Signals], begin_s: float) -> Any:
    """Wait for the end of the first process; its status, what it used, and why it was told to end."""
    stopped, kill_at_s = "", None  # type: str, Optional[float]
    limit_at_s = None if task.time_s is None else begin_s + task.time_s
    while True:
        found, status, usage = os.wait4(brood.leader, os.WNOHANG)
        if found:
            return status, usage, stopped
        deadlines = [at_s for at_s in (kill_at_s, limit_at_s) if at_s is not None]
        # Never for ever: a signal that is lost would be one too many.
        wait_s = max(0.0, min([*deadlines, time.monotonic() + 5.0]) - time.monotonic())
        came = signal.sigtimedwait(watched, wait_s)
        now_s = time.monotonic()
        if came is not None and came.si_signo in _TERM and not stopped:
            stopped = "killed"
        elif came is not None and came.si_signo == task.on_evict:
            brood.pass_on(task.on_evict)
        elif limit_at_s is not None and now_s >= limit_at_s and not stopped:
            stopped = "time-limit"
        if stopped and kill_at_s is None:
            limit_at_s, kill_at_s = None, now_s + GRACE_S
            brood.signal(signal.SIGTERM)
        elif kill_at_s is not None and now_s >= kill_at_s:
            kill_at_s = now_s + 1.0
            brood.signal(signal.SIGKILL)


def _end_rest(brood: Brood) -> None:
    """End what the job left behind; what forks faster than it is killed is Slurm's to end."""
    for _ in range(50):
        if not brood.kill_rest():
            return
        time.sleep(0.02)


def _count_oom_kills() -> int:
    """How often the kernel ended a process of this Slurm job for want of memory; 0 where nobody counts."""
    counted = 0
    try:
        with open("/proc/self/cgroup") as opened:
            lines = opened.read().splitlines()
    except OSError:
        return 0
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            base = "/sys/fs/cgroup" + ("/memory" if controllers else "")
            name = "memory.oom_control" if controllers else "memory.events"
            counted += _read_count(base + path + "/" + name, "oom_kill")
    return counted


def _read_count(path: str, key: str) -> int:
    try:
        with open(path) as opened:
            return sum(int(line.split()[1]) for line in opened if line.split()[:1] == [key])
    except (OSError, ValueError, IndexError):
        return 0

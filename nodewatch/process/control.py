"""What can be done to a run from outside: look at it, pause it, end it, clean up after a lost one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nodewatch.process.errors import ProcessesRemain
from nodewatch.process.records import read_session
from nodewatch.process.run import Run, adopt, find_group, is_of_this_boot
from nodewatch.process.runner import layout, procfs
from nodewatch.process.runner.groups import Group

_PATIENCE_S = 10.0
_ROUNDS_OF_SINGLES = 3
_ROUND_GAP_S = 0.002
_QUIET_LOOKS = 20
_DEAD, _STOPPED, _UNINTERRUPTIBLE, _RUNNING = "ZX", "tT", "D", "R"


@dataclass(frozen=True)
class Usage:
    """What a run uses: CPU seconds so far; memory; a head count.

    Memory is that of its control group, cached files among it, where that is counted; else the sum of
    resident sizes, shared pages counted in each.
    """

    cpu_s: float
    memory_bytes: int
    processes: int


def find_processes(run: Run) -> list[tuple[int, int]]:
    """(pid, start) of every process of the job, the runner not among them; parents before children.

    Without a control group it reads all of /proc: some milliseconds.
    """
    return [(process.pid, process.start) for process in _find(run)]


def peek(run: Run) -> Usage:
    """Raises nothing when the run has ended: there is nothing to count then."""
    found = _find(run)
    resident_bytes = sum(process.memory_bytes for process in found)
    if run.group and (times := run.group.cpu_s()):
        counted = run.group.memory_bytes()
        return Usage(sum(times), resident_bytes if counted is None else counted, len(found))
    runner = procfs.look(run.pid) if run.alive() else None
    # What has ended is in the reaped time of its parent: of a process of the job, or of the runner for
    # orphans.
    cpu_s = sum(process.own_cpu_s + process.reaped_cpu_s for process in found)
    return Usage(
        cpu_s=cpu_s + (runner.reaped_cpu_s - run.reaped_before_s if runner else 0.0),
        memory_bytes=resident_bytes,
        processes=len(found),
    )


def stop(run: Run, reason: str) -> None:
    """Ask the runner to end the job, and return at once; the exit record will carry ``reason``.

    The runner does it even if this process ends. Nothing happens to a run that has ended already.
    """
    # RACE: if it ends from here on, the request stands in the page of a run that is over, and its runner
    # finds none in the page of the next one.
    if not run.alive():
        return
    try:
        page_fd = os.open(run.run_dir / layout.STARTED, os.O_WRONLY)
    except FileNotFoundError:
        return  # somebody removed the folder; there is no way left to ask
    try:
        layout.write_request(page_fd, reason.strip() or "stopped")
    finally:
        os.close(page_fd)
    run.send(signal.SIGUSR1)


def pause(run: Run) -> None:
    """Stop every process of the job until none runs. Raises ProcessesRemain if some still do after 10 s."""
    if run.group and run.group.freeze(True):
        _await_frozen(run.group, f"pause {run.run_dir}")
        return
    _drive(lambda: _find(run), signal.SIGSTOP, _is_stopped, f"pause {run.run_dir}")


def resume(run: Run) -> None:
    """Let every process of the job go on. Raises ProcessesRemain if one stays stopped for ten seconds."""
    if run.group and run.group.freeze(False):
        return
    _drive(lambda: _find(run), signal.SIGCONT, lambda process: process.state != "T", f"resume {run.run_dir}")


def sweep(run_dir: Path) -> int:
    """Kill what is left of a job whose runner was killed; returns how many processes that was.

    They are known by their environment, their sessions and their descent. Raises ProcessesRemain if some
    don't go in ten seconds, ValueError if the runner lives: ``stop`` is for that.
    """
    run_dir = Path(os.path.abspath(run_dir))
    run = adopt(run_dir)
    if run is not None:
        run.close()
        raise ValueError(f"the runner of {run_dir} lives; stop it instead")
    killed = _drive(lambda: _find_orphans(run_dir), signal.SIGKILL, lambda process: False, f"kill {run_dir}")
    group = find_group(run_dir)
    if group:
        _remove(group)
    return killed


def _remove(group: Group) -> None:
    """Once whoever adopted its processes has taken their exit codes; one that stays does no harm."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while group.populated() and time.monotonic() < deadline_s:
        time.sleep(_ROUND_GAP_S)
    group.remove()


def _await_frozen(group: Group, what: str) -> None:
    """The kernel freezes each process as it leaves the kernel. Raises ProcessesRemain.

    One that waits for a file server which is frozen itself, as that of a container's image, never leaves it:
    then it is enough that nobody runs.
    """
    deadline_s = time.monotonic() + _PATIENCE_S
    quiet_looks = 0
    while group.populated() and not group.is_frozen() and quiet_looks < _QUIET_LOOKS:
        found = _find_in(group)
        stuck = any(process.state == _UNINTERRUPTIBLE for process in found)
        running = any(process.state == _RUNNING for process in found)
        quiet_looks = quiet_looks + 1 if stuck and not running else 0
        if time.monotonic() > deadline_s:
            raise ProcessesRemain(what, f"still at it: {group.pids()}")
        time.sleep(_ROUND_GAP_S)


def _find(run: Run) -> list[procfs.Process]:
    if run.group:
        return _find_in(run.group)
    if not run.alive():
        return _find_orphans(run.run_dir)
    return [process for process in procfs.descendants(run.pid) if process.state not in _DEAD]


def _find_in(group: Group) -> list[procfs.Process]:
    found = [process for process in map(procfs.look, group.pids()) if process and process.state not in _DEAD]
    return sorted(found, key=lambda process: process.start)


def _find_orphans(run_dir: Path) -> list[procfs.Process]:
    """All with our mark in their environment, in sessions of the job, below the marked ones, in its group."""
    mark = f"{layout.RUN_VARIABLE}=".encode() + os.fsencode(run_dir)
    # After a restart of the machine the number means another session.
    session = read_session(run_dir) if is_of_this_boot(run_dir) else None
    found = procfs.survey(
        lambda pid: _view(pid, mark), lambda views: _select_orphans(_mark_session(views, session))
    )
    group = find_group(run_dir)
    everybody = {process.pid: process for process in (*found, *(_find_in(group) if group else ()))}
    return [process for process in everybody.values() if process.state not in _DEAD]


def _mark_session(
    views: list[tuple[procfs.Process, bool]], session: tuple[int, int] | None
) -> list[tuple[procfs.Process, bool]]:
    """All of the session, known by its leader's pid and start, carry the mark: a container takes it off some.

    A pid isn't used again while a session has it as its number. So one that is led by another process is
    another session.
    """
    if session is None:
        return views
    number, start = session
    if any(process.pid == number and process.start != start for process, _ in views):
        return views
    return [
        (process, marked or (process.session == number and process.start >= start))
        for process, marked in views
    ]


def _select_orphans(views: list[tuple[procfs.Process, bool]]) -> list[procfs.Process]:
    processes = [process for process, _ in views]
    marked = [process for process, carries_mark in views if carries_mark]
    # A session is the job's own if its leader is. If somebody copied the environment of a job into their
    # login session, that one is spared. A session without a leader is a job's whose first process has ended.
    strangers = {process.pid for process, carries_mark in views if not carries_mark}
    sessions = {process.session for process in marked} - strangers
    found = {process.pid: process for process in processes if process.session in sessions}
    found |= {process.pid: process for process in marked}
    for process in marked:
        found |= {child.pid: child for child in procfs.below(process.pid, processes)}
    return list(found.values())


def _view(pid: int, mark: bytes) -> tuple[procfs.Process, bool] | None:
    """A process, and whether its environment carries ``mark``; None if it has ended."""
    process = procfs.look(pid)
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        environment = b""  # another user's, and so not of a job
    return (process, mark in environment.split(b"\0")) if process else None


def _is_stopped(process: procfs.Process) -> bool:
    return process.state in _STOPPED


def _drive(
    find: Callable[[], list[procfs.Process]],
    signum: signal.Signals,
    settled: Callable[[procfs.Process], bool],
    what: str,
) -> int:
    """Signal every process that isn't settled until two looks in a row find none; returns how many it was.

    RACE: a process that stops in the middle of a look may just have forked a child that this look missed. If
    the next look finds nobody running either, nobody was left to fork.
    """
    signalled: set[tuple[int, int]] = set()
    deadline_s = time.monotonic() + _PATIENCE_S
    clean_looks, rounds = 0, 0
    while clean_looks < 2:
        # In an uninterruptible wait the signal is pending, and acts before the process runs on.
        restless = [
            process
            for process in find()
            if not settled(process)
            and not (process.state == _UNINTERRUPTIBLE and (process.pid, process.start) in signalled)
        ]
        clean_looks = 0 if restless else clean_looks + 1
        if restless and time.monotonic() > deadline_s:
            raise ProcessesRemain(what, f"still at it: {[process.pid for process in restless]}")
        rounds += 1
        signalled |= {(process.pid, process.start) for process in restless if procfs.send(process, signum)}
        if rounds > _ROUNDS_OF_SINGLES:
            procfs.send_groups(restless, signum)
        if restless:
            time.sleep(_ROUND_GAP_S)
    return len(signalled)

"""Processes as /proc shows them: who is below whom, and signals that can't hit a recycled pid."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NamedTuple, TypeVar

_Seen = TypeVar("_Seen")

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_SIZE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MOST_LISTINGS = 100

# Numbers of the fields are those of proc(5), less the two in front of the closing parenthesis and one
# more, since they count from one.
_STATE, _PARENT, _GROUP, _SESSION, _USER, _START, _RESIDENT = 0, 1, 2, 3, 11, 19, 21


# No dataclass in this program: importing dataclasses would double what it loads.
class Process(NamedTuple):
    """One process; ``start`` in clock ticks since boot, ``state`` a letter as in proc(5)."""

    pid: int
    start: int
    parent: int
    group: int
    state: str
    session: int
    own_cpu_s: float
    reaped_cpu_s: float
    memory_bytes: int


def read_boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def look(pid: int) -> Process | None:
    """One process; None if there is none (any more), or if it is another user's and hidden from us."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            line = file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = line[line.rindex(b")") + 2 :].split()
    user, system, reaped_user, reaped_system = map(int, fields[_USER : _USER + 4])
    return Process(
        pid=pid,
        start=int(fields[_START]),
        parent=int(fields[_PARENT]),
        group=int(fields[_GROUP]),
        session=int(fields[_SESSION]),
        state=fields[_STATE].decode(),
        own_cpu_s=(user + system) / _TICKS_PER_S,
        reaped_cpu_s=(reaped_user + reaped_system) / _TICKS_PER_S,
        memory_bytes=int(fields[_RESIDENT]) * _PAGE_SIZE_BYTES,
    )


def attends_container(pid: int) -> bool:
    """Whether a process is there for the container of a job, not for the job: what made it, what serves the
    image, the first process in it, which passes signals on. True of one that is gone.

    The job is in a process namespace below ours; see ``NSpid`` in proc(5).
    """
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            numbers = next(line.split()[1:] for line in file if line.startswith(b"NSpid:"))
    except (OSError, StopIteration):
        return True
    return len(numbers) < 2 or numbers[1] == b"1"


def proportional_bytes(process: Process) -> int:
    """Its resident size with each shared page divided by its users; where that can't be read, all of it."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", "rb") as file:
            sizes = [line.split()[1] for line in file if line.startswith(b"Pss:")]
    except OSError:
        sizes = []
    return int(sizes[0]) * 1024 if sizes else process.memory_bytes


def read_transfers() -> tuple[int, int] | None:
    """Bytes that this process and its reaped descendants had read from storage, and caused to be written.

    See /proc/PID/io in proc(5); None if this kernel doesn't count them.
    """
    try:
        with open("/proc/self/io", "rb") as file:
            counts = dict(line.split(b": ") for line in file.read().splitlines())
    except OSError:
        return None
    return int(counts[b"read_bytes"]), int(counts[b"write_bytes"])


def descendants(root: int) -> list[Process]:
    """Every process below ``root``, not itself; parents before their children."""
    return survey(look, lambda processes: below(root, processes))


def survey(
    view: Callable[[int], _Seen | None], select: Callable[[list[_Seen]], list[Process]]
) -> list[Process]:
    """What ``select`` finds among all processes as ``view`` shows them; that says None of one that has ended.

    RACE: a job that forks and exits all the time is never where the list says: what was listed has ended, and
    its child came after the list. So list again until that brings nothing that is selected, and nothing that
    ended before it was viewed. What others start meanwhile doesn't matter; on a machine where they do so all
    the time, there is an end to it too.
    """
    seen: dict[int, _Seen | None] = {}
    found: list[Process] = []
    for _ in range(_MOST_LISTINGS):
        fresh = {pid: view(pid) for pid in _list_pids() if pid not in seen}
        seen |= fresh
        before = {process.pid for process in found}
        found = select([one for one in seen.values() if one is not None])
        if None not in fresh.values() and before.issuperset(process.pid for process in found):
            break
    return found


def _list_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def below(root: int, processes: list[Process]) -> list[Process]:
    """Those of ``processes`` below ``root``, not itself; parents before their children."""
    children: dict[int, list[Process]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        brood = children.pop(waiting.pop(), [])
        found += brood
        waiting += [child.pid for child in brood]
    return found


def send(process: Process, signum: int) -> bool:
    """Signal this very process, never a later one with its pid; False if it is gone or not ours to signal."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        # The handle is for whoever has the pid now, and keeps meaning that one: so look after opening it.
        now = look(process.pid)
        if now is None or now.start != process.start:
            return False
        signal.pidfd_send_signal(handle, signum)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)


def send_groups(processes: list[Process], signum: int) -> None:
    """Signal the process groups of ``processes``: what hits a process that forks and exits all the time.

    The kernel signals a group in one step that no fork can slip through. RACE: a group can end and its number
    be taken anew since ``processes`` was read. That needs a whole round of the pid counter within the few
    milliseconds of a scan, so callers use it only on what single signals didn't reach.
    """
    for group in {process.group for process in processes}:
        try:
            os.killpg(group, signum)
        except (ProcessLookupError, PermissionError):
            continue

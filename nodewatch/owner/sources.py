"""Looks at the machine for signs of its owner. Nothing here raises: what can't be read is None, unknown."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

_log = logging.getLogger(__name__)

_PATIENCE_S = 5.0
_SHORTEST_SPAN_S = 0.5
_PROPERTIES = ("Id", "Seat", "State", "Class", "Type", "IdleHint", "IdleSinceHintMonotonic")
_RUN_MARK = b"DISTRIBUTE_RUN="

#: A terminal's time of access has steps of so many seconds (tty_update_time in drivers/tty/tty_io.c): the
#: time of the first input in each is kept, and later input in the same step doesn't show.
TERMINAL_STEP_S = 8


class SeatSource:
    """The sessions at the machine's own screens and keyboards, as systemd-logind knows them.

    A graphical session tells logind itself when it is idle; for a text console logind goes by its input. A
    desktop that never does is in use as long as somebody is logged in. Greeters, remote sessions and those
    that another one hides don't count.
    """

    def look(self, now_s: float) -> float | None:
        """Seconds since somebody used a seat, at ``now_s`` (monotonic); infinite if nobody is there."""
        listed = _ask(["loginctl", "--no-legend", "--no-pager", "list-sessions"])
        if listed is None:
            return None
        names = parse_sessions(listed)
        if not names:
            return math.inf
        # RACE: a session that has ended since would make loginctl fail for all of them.
        shown = [_ask(["loginctl", "show-session", name, *_ask_for(_PROPERTIES)]) for name in names]
        return min((read_session(text, now_s) for text in shown if text is not None), default=None)


def parse_sessions(listed: str) -> list[str]:
    """The names in what ``loginctl list-sessions --no-legend`` prints; which columns follow depends on its
    version."""
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def read_session(shown: str, now_s: float) -> float:
    """For how many seconds a session is idle that ``loginctl show-session`` has shown; infinite if it isn't
    one of a person at a seat."""
    fields = dict(line.partition("=")[::2] for line in shown.splitlines())
    if not fields.get("Seat") or fields.get("State") != "active":
        return math.inf
    if not fields.get("Class", "user").startswith("user"):
        return math.inf
    written = fields.get("IdleSinceHintMonotonic", "")
    since_us = int(written) if written.isdecimal() else 0
    # Of a text console, logind tells the time of its last input whether it calls that idle or not. One
    # before the machine was started is 0.
    tells = fields.get("IdleHint") == "yes" or (fields.get("Type") == "tty" and since_us > 0)
    return max(0.0, now_s - since_us / 1e6) if tells else 0.0


def _ask_for(properties: Iterable[str]) -> list[str]:
    return [word for name in properties for word in ("-p", name)]


def _ask(argv: list[str]) -> str | None:
    """What a command prints; None if it fails or hangs."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.debug("%s: %s", argv[0], error)
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


class TerminalSource:
    """The terminals in which somebody is logged in: consoles, windows, ssh.

    One counts if a process has it as its controlling terminal, and not only processes of jobs have: cron and
    daemons have none. Its last input is its time of access, as HTCondor takes it, which reading sets.
    """

    def look(self, clock_s: float) -> float | None:
        """Seconds since the newest input at Unix time ``clock_s``; infinite if there is no terminal."""
        devices = _find_terminals()
        if devices is None:
            return None
        idle_s = math.inf
        for path in (*Path("/dev/pts").glob("[0-9]*"), *Path("/dev").glob("tty[0-9S]*")):
            try:
                info = path.stat()
            except OSError:
                continue
            if info.st_rdev in devices:
                idle_s = min(idle_s, since_input(info.st_atime, clock_s))
        return idle_s


def since_input(accessed_at: float, clock_s: float) -> float:
    """Seconds since there may have been input: at the latest at the end of the step of the time of access."""
    end = (int(accessed_at) // TERMINAL_STEP_S + 1) * TERMINAL_STEP_S
    return max(0.0, clock_s - end)


def _find_terminals() -> set[int] | None:
    """Device numbers of the controlling terminals of processes that aren't a job's; None if not all
    processes can be seen."""
    devices: dict[int, int] = {}
    parents: dict[int, int] = {}
    try:
        Path("/proc/1/stat").read_bytes()
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return None
    for pid in pids:
        try:
            line = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            continue
        fields = line[line.rindex(b")") + 2 :].split()
        parents[pid] = int(fields[1])
        if number := int(fields[4]):
            devices[pid] = _device(number)
    return {device for pid, device in devices.items() if not _is_job(pid, parents)}


def _device(number: int) -> int:
    """``tty_nr`` of proc(5) as a device number of stat(2)."""
    return os.makedev((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00))


def _is_job(pid: int, parents: dict[int, int]) -> bool:
    """Whether a process or one that it comes from carries the mark of a run."""
    while pid > 1:
        try:
            if any(
                word.startswith(_RUN_MARK) for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            ):
                return True
        except OSError:
            # Another user's, or gone: no job's.
            return False
        pid = parents.get(pid, 0)
    return False


class LoadSource:
    """How many cores are busy with what isn't ours: all busy CPU seconds less ours, averaged over ``span_s``.

    ``ours`` tells the CPU seconds that our jobs have used, ended ones too; it may only grow.
    """

    def __init__(self, ours: Callable[[], float], span_s: float = 60.0) -> None:
        self._ours, self._span_s = ours, span_s
        self._samples: deque[tuple[float, float]] = deque()
        self.look(time.monotonic())

    def look(self, now_s: float) -> float | None:
        """Cores at ``now_s`` of the monotonic clock; 0 while it is too early to say."""
        try:
            foreign_s = _busy_cpu_s() - self._ours() - _own_cpu_s()
        except (OSError, ValueError) as error:
            _log.debug("load: %s", error)
            return None
        self._samples.append((now_s, foreign_s))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - self._span_s:
            self._samples.popleft()
        begin_s, before_s = self._samples[0]
        if now_s - begin_s < _SHORTEST_SPAN_S:
            return 0.0
        return max(0.0, (foreign_s - before_s) / (now_s - begin_s))


def _busy_cpu_s() -> float:
    """CPU seconds that the machine's cores have spent since boot on anything."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _wait, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_cpu_s() -> float:
    """This daemon's, which copies, hashes and looks."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system

"""What the machine tells of its owner: real terminals and real load; logind as it was seen to answer."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodewatch.owner import LoadSource, SeatSource, TerminalSource
from nodewatch.owner import sources as looking
from nodewatch.owner.sources import TERMINAL_STEP_S, parse_sessions, read_session, since_input
from tests.owner.terminals import open_terminal
from tests.support import wait_until

NOW_S = 50_000.0


# Terminals


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Other terminals of this machine may be in use: look at one only."""

    def look_only_at(device: Path) -> None:
        number, find = device.stat().st_rdev, looking._find_terminals
        monkeypatch.setattr(looking, "_find_terminals", lambda: {number} & (find() or set()))

    return look_only_at


def test_input_at_a_terminal(alone: Callable[[Path], None]) -> None:
    with open_terminal() as terminal:
        alone(terminal.device)
        terminal.set_idle(time.time() - 3600)
        idle_s = TerminalSource().look(time.time())
        assert idle_s is not None and 3600 - TERMINAL_STEP_S - 5 < idle_s <= 3600
        terminal.type()
        assert TerminalSource().look(time.time()) == 0.0
        # Output alone is none: long runs print.
        terminal.set_idle(time.time() - 600)
        terminal.device.write_text("printed by somebody else\n")
        idle_s = TerminalSource().look(time.time())
        assert idle_s is not None and idle_s > 500


def test_a_terminal_of_a_job_is_none(alone: Callable[[Path], None]) -> None:
    with open_terminal({"DISTRIBUTE_RUN": "/somewhere"}) as terminal:
        alone(terminal.device)
        terminal.type()
        assert TerminalSource().look(time.time()) == math.inf


def test_a_program_that_a_job_started_without_its_mark(alone: Callable[[Path], None]) -> None:
    """A shell that carries the mark, and below it a program with a clean environment."""
    with open_terminal({"DISTRIBUTE_RUN": "/somewhere"}, "env -i cat") as terminal:
        alone(terminal.device)
        terminal.type()
        assert TerminalSource().look(time.time()) == math.inf


def test_a_terminal_that_nobody_is_logged_in_at_is_none(alone: Callable[[Path], None]) -> None:
    master, slave = os.openpty()
    try:
        alone(Path(os.ttyname(slave)))
        os.write(master, b"x\n")
        os.read(slave, 10)
        assert TerminalSource().look(time.time()) == math.inf
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("accessed_at", "clock_s", "idle_s"),
    [(800.0, 803.0, 0.0), (800.0, 808.0, 0.0), (800.0, 808.5, 0.5), (807.9, 810.0, 2.0), (900.0, 800.0, 0.0)],
)
def test_steps_of_a_terminal_s_time(accessed_at: float, clock_s: float, idle_s: float) -> None:
    """Input in the rest of a step doesn't show: what is unsure is the owner's."""
    assert since_input(accessed_at, clock_s) == idle_s


def test_processes_that_can_t_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /proc hides them."""
    read = Path.read_bytes

    def hidden(path: Path) -> bytes:
        if path == Path("/proc/1/stat"):
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", hidden)
    assert TerminalSource().look(time.time()) is None


# Load

BUSY = [sys.executable, "-S", "-c", "while True: pass"]


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_load_is_what_isn_t_ours() -> None:
    """One busy process, seen by one who says that it is theirs and by one who doesn't: the difference is it."""
    with subprocess.Popen(BUSY) as process:
        try:
            theirs = LoadSource(lambda: 0.0)
            ours = LoadSource(lambda: cpu_s(process))
            begin_s, before_s = time.monotonic(), cpu_s(process)
            wait_until(lambda: cpu_s(process) - before_s > 1.5, 30.0)
            now_s = time.monotonic()
            used = (cpu_s(process) - before_s) / (now_s - begin_s)
            foreign, rest = theirs.look(now_s), ours.look(now_s)
        finally:
            process.kill()
    assert foreign is not None and rest is not None
    assert foreign - rest == pytest.approx(used, abs=0.15)


def test_load_is_an_average(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = iter([10.0, 11.0, 15.0, 15.0, 15.0])
    monkeypatch.setattr(looking, "_busy_cpu_s", lambda: next(busy))
    monkeypatch.setattr(looking, "_own_cpu_s", lambda: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    source = LoadSource(lambda: 0.0, span_s=10.0)
    looks = [source.look(now_s) for now_s in (100.1, 110.0, 115.0, 125.0)]
    assert looks == pytest.approx([0.0, 0.5, 4.0 / 14.9, 0.0])


def test_load_that_can_t_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    source = LoadSource(lambda: 0.0)

    def fail() -> float:
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(looking, "_busy_cpu_s", fail)
    assert source.look(time.monotonic() + 10) is None


# Seats

#: What loginctl of systemd 252 printed of these four: names of sessions by ``--no-legend list-sessions``, then
#: each by ``show-session``, of which states and hints were changed where a test needs others.
LISTED = " 2 0 root seat0 tty2\n31 0 root       pts/0\n 5 0 root seat0 tty3\nc1 0 root seat0 tty1\n"
GRAPHICAL = "Id=2\nSeat=seat0\nType=wayland\nClass=user\nState=active\nIdleHint={hint}\nIdleSinceHintMonotonic={since}\n"
GREETER = (
    "Id=c1\nSeat=seat0\nType=wayland\nClass=greeter\nState=active\nIdleHint=no\nIdleSinceHintMonotonic=0\n"
)
CONSOLE = (
    "Id=5\nSeat=seat0\nType=tty\nClass=user\nState=active\nIdleHint={hint}\nIdleSinceHintMonotonic={since}\n"
)
REMOTE = "Id=31\nSeat=\nType=tty\nClass=user\nState=active\nIdleHint=no\nIdleSinceHintMonotonic=0\n"
GONE = "Failed to get session path: No session '2' known"
#: Later versions have more columns.
LISTED_256 = "2  1000 alice seat0 2240 user    tty2 no  -\n31 1001 bob   -     9931 user    -    no  -\n"


def test_sessions() -> None:
    assert parse_sessions(LISTED) == ["2", "31", "5", "c1"]
    assert parse_sessions(LISTED_256) == ["2", "31"]
    assert parse_sessions("") == []


@pytest.mark.parametrize(
    ("shown", "idle_s"),
    [
        (GRAPHICAL.format(hint="no", since=49_000_000_000), 0.0),
        (GRAPHICAL.format(hint="no", since=0), 0.0),
        (GRAPHICAL.format(hint="yes", since=49_000_000_000), 1000.0),
        (GRAPHICAL.format(hint="yes", since=60_000_000_000), 0.0),
        (CONSOLE.format(hint="no", since=49_940_000_000), 60.0),
        (CONSOLE.format(hint="yes", since=49_940_000_000), 60.0),
        (CONSOLE.format(hint="no", since=0), 0.0),
        (CONSOLE.format(hint="yes", since=0), NOW_S),
        (GREETER, math.inf),
        (GRAPHICAL.format(hint="no", since=0).replace("State=active", "State=online"), math.inf),
        (REMOTE, math.inf),
        (GRAPHICAL.format(hint="no", since=0).replace("Class=user", "Class=user-early"), 0.0),
        ("", math.inf),
    ],
)
def test_a_session(shown: str, idle_s: float) -> None:
    assert read_session(shown, NOW_S) == idle_s


@pytest.fixture
def loginctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a ``loginctl`` in front of the machine's, with that script."""

    def install(script: str) -> None:
        program = tmp_path / "bin" / "loginctl"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return install


def answering(folder: Path, listed: str, shown: dict[str, str]) -> str:
    """A script that answers as loginctl does; it fails for a session that isn't there."""
    (folder / "listed").write_text(listed)
    for name, text in shown.items():
        (folder / f"shown.{name}").write_text(text)
    return (
        f'case "$*" in *list-sessions*) exec cat {folder}/listed;; esac\n'
        f'test "$1" = show-session && test "$3" = -p && test -e {folder}/shown.$2 && exec cat {folder}/shown.$2\n'
        f'echo "{GONE}" >&2; exit 1'
    )


def test_the_newest_of_all_sessions(tmp_path: Path, loginctl: Callable[[str], None]) -> None:
    shown = {"2": GRAPHICAL.format(hint="yes", since=49_900_000_000), "c1": GREETER, "31": REMOTE}
    shown["5"] = CONSOLE.format(hint="yes", since=40_000_000_000)
    loginctl(answering(tmp_path, LISTED, shown))
    assert SeatSource().look(NOW_S) == 100.0
    shown["2"] = GRAPHICAL.format(hint="no", since=49_950_000_000)
    loginctl(answering(tmp_path, LISTED, shown))
    assert SeatSource().look(NOW_S) == 0.0


def test_a_session_that_has_just_ended(tmp_path: Path, loginctl: Callable[[str], None]) -> None:
    loginctl(answering(tmp_path, LISTED, {"31": REMOTE}))
    assert SeatSource().look(NOW_S) == math.inf


def test_nobody_is_there(loginctl: Callable[[str], None]) -> None:
    loginctl("exit 0")
    assert SeatSource().look(NOW_S) == math.inf


@pytest.mark.parametrize(
    "script",
    [
        "echo 'System has not been booted with systemd as init system (PID 1).' >&2; exit 1",
        "case $* in *list*) echo 2;; *) exit 1;; esac",
    ],
)
def test_logind_doesn_t_answer(loginctl: Callable[[str], None], script: str) -> None:
    loginctl(script)
    assert SeatSource().look(NOW_S) is None


def test_logind_hangs(loginctl: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_PATIENCE_S", 0.2)
    loginctl("exec sleep 60")
    begin_s = time.monotonic()
    assert SeatSource().look(NOW_S) is None
    assert time.monotonic() - begin_s < 10


def test_there_is_no_loginctl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert SeatSource().look(NOW_S) is None

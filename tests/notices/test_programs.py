"""Programs that hang, fail, flood or leave others behind hold up nobody."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from threading import Event, Timer

import psutil
import pytest

from spoold.notices.programs import run_program
from tests.support import wait_until

SHELL = ("/bin/sh", "-c")
LONG_S = 60.0


def test_what_is_given_is_read_and_what_is_said_is_kept() -> None:
    ended = run_program((*SHELL, "cat; echo; echo error >&2; exit 3"), b"given", LONG_S, Event())
    assert (ended.code, ended.output, ended.late, ended.stopped) == (3, b"given\nerror\n", False, False)


def test_one_that_doesnt_read_gets_more_than_a_pipe_holds() -> None:
    assert run_program(("/bin/true",), b"x" * (1 << 20), LONG_S, Event()).code == 0


def test_the_end_of_a_flood_is_kept() -> None:
    program = "import sys; sys.stdout.write('x' * 3_000_000 + 'end')"
    ended = run_program((sys.executable, "-c", program), b"", LONG_S, Event())
    assert ended.output.endswith(b"xend")
    assert len(ended.output) < 100_000


def test_one_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; exec sleep 600"
    began_s = time.monotonic()
    ended = run_program((*SHELL, script), b"", 1.0, Event())
    assert (ended.late, ended.code) == (True, -9)
    assert time.monotonic() - began_s < 10
    left = int((tmp_path / "pid").read_text())
    wait_until(lambda: not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE)


def test_one_that_is_no_longer_wanted_is_ended() -> None:
    stop = Event()
    Timer(0.3, stop.set).start()
    ended = run_program((*SHELL, "exec sleep 600"), b"", LONG_S, stop)
    assert (ended.stopped, ended.late) == (True, False)


def test_one_that_leaves_a_child_behind_is_not_waited_for(tmp_path: Path) -> None:
    began_s = time.monotonic()
    ended = run_program((*SHELL, f"sleep 600 & echo $! > {tmp_path}/pid; echo done"), b"", LONG_S, Event())
    psutil.Process(int((tmp_path / "pid").read_text())).kill()
    assert (ended.code, ended.output) == (0, b"done\n")
    assert time.monotonic() - began_s < 10


def test_one_that_closes_its_output_is_waited_for_without_work() -> None:
    before = time.process_time()
    assert run_program((*SHELL, "exec >&- 2>&-; sleep 1"), b"", LONG_S, Event()).code == 0
    assert time.process_time() - before < 0.3


def test_one_that_isnt_there() -> None:
    with pytest.raises(FileNotFoundError):
        run_program(("/no/such/program",), b"", LONG_S, Event())

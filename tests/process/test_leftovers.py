"""Whatever a job leaves behind is gone when its record appears."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from nodewatch.process import find_processes, stop
from tests.process.conftest import Bench, finish, wait_for_line
from tests.support import wait_until

PYTHON = ("python3", "-S", "-c")

LINGERING = {
    "a child in the background": "if not os.fork(): time.sleep(600)",
    "a child in a session of its own": "if not os.fork(): os.setsid(); time.sleep(600)",
    "a daemon by double fork": (
        "p = os.fork()\nif not p:\n os.setsid()\n if os.fork(): os._exit(0)\n time.sleep(600)\n"
        "os.waitpid(p, 0)"
    ),
    "one that ignores SIGTERM": (
        "r, w = os.pipe()\nif not os.fork():\n signal.signal(15, signal.SIG_IGN)\n os.write(w, b'x')\n"
        " time.sleep(600)\nos.read(r, 1)"
    ),
    "one that is stopped": "p = os.fork()\nif not p: time.sleep(600)\nos.kill(p, signal.SIGSTOP)",
}

# Each generation lives for a moment only; it would go on for a quarter of an hour.
FORK_CHAIN = "if not os.fork():\n for _ in range(500_000):\n  if os.fork(): os._exit(0)\n  time.sleep(0.002)"
FORK_TREE = "if not os.fork():\n for _ in range(7): os.fork()\n time.sleep(600)"

# Each forks the next, in a session of its own and as nobody's child, and stays; deaf to SIGTERM. Two hundred
# in all: it must not be this machine's end if it isn't stopped.
FORK_LOOP = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for number in range(200):
    if os.fork(): break
    os.setsid()
    if os.fork(): os._exit(0)
    time.sleep(0.01)
time.sleep(600)
"""


def check_nothing_is_left(bench: Bench) -> None:
    assert bench.living() == []


@pytest.mark.parametrize("script", LINGERING.values(), ids=LINGERING.keys())
def test_lingering_children_are_ended(bench: Bench, script: str) -> None:
    record = bench.run(*PYTHON, f"import os,signal,sys,time\n{script}\nos._exit(3)")
    check_nothing_is_left(bench)
    assert record.exit_code == 3
    assert record.leftovers_killed == 1
    assert record.kill_reason is None


@pytest.mark.parametrize("script", [FORK_CHAIN, FORK_TREE], ids=["chain", "tree"])
def test_forking_children_are_ended(bench: Bench, script: str) -> None:
    record = finish(bench.start(*PYTHON, f"import os,time\n{script}\nos._exit(0)"), within_s=60.0)
    check_nothing_is_left(bench)
    assert record.exit_code == 0
    assert record.leftovers_killed >= 1


@pytest.mark.parametrize("way", ["bench", "grouped"])
def test_a_fork_loop_is_ended(request: pytest.FixtureRequest, way: str) -> None:
    bench: Bench = request.getfixturevalue(way)
    run = bench.start(*PYTHON, FORK_LOOP, grace_s=0.1)
    wait_until(lambda: len(find_processes(run)) > 8)
    stop(run, "enough")
    record = finish(run)
    assert (record.signal, record.kill_reason) == (signal.SIGKILL, "enough")
    assert record.leftovers_killed > 8
    check_nothing_is_left(bench)


def test_children_that_end_in_time_are_not_counted(bench: Bench) -> None:
    record = bench.run("/bin/sh", "-c", "sleep 0.1 & sleep 0.1 & wait")
    assert record.leftovers_killed == 0


def test_stop_gives_the_job_its_grace(bench: Bench) -> None:
    run = bench.start(
        "/bin/sh", "-c", "trap 'echo saved; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    )
    wait_for_line(run, "ready")
    stop(run, "the user asked")
    record = finish(run)
    assert (record.exit_code, record.kill_reason) == (9, "the user asked")
    assert (run.run_dir / "stdout.txt").read_text() == "ready\nsaved\n"
    check_nothing_is_left(bench)


def test_stop_kills_what_ignores_it(bench: Bench) -> None:
    script = "trap '' TERM; (trap '' TERM; setsid sleep 600) & echo ready; while :; do sleep 1; done"
    run = bench.start("/bin/sh", "-c", script, grace_s=2.0)
    wait_for_line(run, "ready")
    begin = time.monotonic()
    stop(run, "time is up")
    assert time.monotonic() - begin < 2.0, "it doesn't wait for the end"
    record = finish(run)
    assert (record.signal, record.kill_reason) == (signal.SIGKILL, "time is up")
    assert time.monotonic() - begin >= 2.0
    check_nothing_is_left(bench)


def test_stop_after_the_end_changes_nothing(bench: Bench) -> None:
    run = bench.start("true")
    run.wait()
    content = (run.run_dir / "exit.json").read_bytes()
    stop(run, "too late")
    assert (run.run_dir / "exit.json").read_bytes() == content
    assert finish(run).kill_reason is None


def test_a_long_reason_is_shortened(bench: Bench) -> None:
    run = bench.start("sleep", "600")
    stop(run, 'ü"\n' * 5000)
    reason = finish(run).kill_reason
    assert reason is not None
    assert reason.startswith('ü" ü"')
    assert len(reason.encode()) <= 600


def test_the_processes_of_a_job_are_found(bench: Bench) -> None:
    lingering = LINGERING["a daemon by double fork"]
    script = f"import os,time\n{lingering}\nprint('ready', flush=True)\ntime.sleep(600)"
    run = bench.start(*PYTHON, script)
    # Until then the process between the two may be counted, and be gone.
    wait_for_line(run, "ready")
    wait_until(lambda: len(find_processes(run)) == 2)
    found = find_processes(run)
    assert run.pid not in [pid for pid, _ in found]
    for pid, start in found:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        assert int(fields[19]) == start
    stop(run, "seen enough")
    assert finish(run).kill_reason == "seen enough"

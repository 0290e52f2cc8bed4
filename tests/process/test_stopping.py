"""Pausing real processes, and what a run uses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from nodewatch.process import Run, find_processes, pause, peek, resume, stop
from tests.process.conftest import Bench, finish, wait_for_line
from tests.support import wait_until

BUSY = """
import os, signal, sys
signal.signal(signal.SIGTSTP, signal.SIG_IGN)
if not os.fork():
    os.setsid()
    os.fork()
print("ready", flush=True)
while True: pass
"""

FORKING = """
import os, sys, time
print("ready", flush=True)
if not os.fork():
    for number in range(3000):
        if os.fork(): os._exit(0)
        time.sleep(0.002)
for number in range(3000):
    if not os.fork(): os._exit(0)
    os.wait()
    time.sleep(0.002)
"""


def states(run: Run) -> set[str]:
    found = set()
    for pid, _ in find_processes(run):
        try:
            found.add(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            found.add("gone")
    return found


def spends(run: Run, within_s: float) -> bool:
    """Whether the job uses any CPU time within that time."""
    before_s = peek(run).cpu_s
    try:
        wait_until(lambda: peek(run).cpu_s > before_s, within_s)
    except AssertionError:
        return False
    return True


def test_a_paused_job_stands_still_and_goes_on(bench: Bench) -> None:
    run = bench.start("python3", "-S", "-c", BUSY)
    wait_until(lambda: peek(run).processes == 3)
    assert spends(run, 20.0)
    pause(run)
    assert states(run) == {"T"}
    assert not spends(run, 0.6)
    assert run.alive()
    resume(run)
    assert spends(run, 20.0)
    stop(run, "enough")
    assert finish(run).signal == signal.SIGTERM


def test_pausing_twice_needs_one_resume(bench: Bench) -> None:
    run = bench.start("python3", "-S", "-c", BUSY)
    wait_until(lambda: peek(run).processes == 3)
    pause(run)
    pause(run)
    resume(run)
    assert "T" not in states(run)
    stop(run, "enough")
    finish(run)


def test_pause_catches_a_job_that_forks(bench: Bench) -> None:
    # SIGTERM may miss one that is just being born, and then it is SIGKILL's turn.
    run = bench.start("python3", "-S", "-c", FORKING, grace_s=0.3)
    wait_for_line(run, "ready")
    pause(run)
    before = set(find_processes(run))
    assert before
    assert states(run) == {"T"}
    assert not spends(run, 0.5)
    assert set(find_processes(run)) == before
    resume(run)
    wait_until(lambda: set(find_processes(run)) != before, what="it forks again")
    stop(run, "enough")
    finish(run)
    assert bench.living() == []


def test_a_paused_job_can_be_stopped(bench: Bench) -> None:
    run = bench.start("python3", "-S", "-c", BUSY)
    wait_until(lambda: peek(run).processes == 3)
    pause(run)
    stop(run, "killed while paused")
    record = finish(run)
    assert (record.signal, record.kill_reason) == (signal.SIGTERM, "killed while paused")


def test_a_job_of_a_lost_runner_can_be_paused(bench: Bench) -> None:
    run = bench.start("python3", "-S", "-c", BUSY)
    wait_until(lambda: peek(run).processes == 3)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait(20.0)
    pause(run)
    assert states(run) == {"T"}
    run.close()


def test_usage_counts_what_has_ended_already(bench: Bench) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    orphan = f"python3 -S -c '{burn}' & python3 -S -c '{burn}'"
    run = bench.start("/bin/sh", "-c", f"({orphan}; wait); x=ready; echo $x; exec sleep 600")
    wait_for_line(run, "ready")
    usage = peek(run)
    assert usage.cpu_s >= 0.5
    assert usage.processes == 1
    assert 0 < usage.memory_bytes < 50e6
    stop(run, "enough")
    record = finish(run)
    assert record.user_cpu_s + record.system_cpu_s >= 0.5


def test_nothing_can_be_done_to_a_run_that_has_ended(bench: Bench) -> None:
    run = bench.start("true")
    run.wait()
    pause(run)
    resume(run)
    assert find_processes(run) == []
    assert (peek(run).cpu_s, peek(run).processes) == (0.0, 0)
    finish(run)

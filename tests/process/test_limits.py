"""Limits and figures of runs without control groups."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from nodewatch.process import LaunchFailed, Limits, was_started
from tests.process.conftest import NO_LIMITS, Bench, finish, wait_for_line

MIB = 1 << 20
# Both have the same 120 MB.
SHARING = """
import os, time
x = b"1" * 120_000_000
os.fork()
time.sleep(1.2)
"""
# Each has 80 MB; when both do, they stay for long enough to be seen.
TWO = """
import os, time
reader, writer = os.pipe()
child = not os.fork()
x = b"1" * 80_000_000
if child:
    os.write(writer, b"x")
    time.sleep(60)
os.read(reader, 1)
time.sleep(1.2)
"""
GREEDY = """
import os, time
print("ready", flush=True)
if not os.fork():
    os.setsid()
x = b"1" * 120_000_000
time.sleep(60)
"""


def test_a_job_is_on_its_cpus_from_its_birth(bench: Bench) -> None:
    cpu = max(os.sched_getaffinity(0))
    run = bench.start_limited(
        Limits(cpus=(cpu,)), "/bin/sh", "-c", "grep Cpus_allowed_list /proc/self/status"
    )
    finish(run)
    assert (run.run_dir / "stdout.txt").read_text().split() == ["Cpus_allowed_list:", str(cpu)]


def test_the_next_job_of_a_runner_is_on_all_cpus_again(bench: Bench) -> None:
    def allowed(limits: Limits) -> str:
        run = bench.start_limited(limits, "/bin/grep", "Cpus_allowed_list", "/proc/self/status")
        finish(run)
        return (run.run_dir / "stdout.txt").read_text().split()[1]

    cpu = min(os.sched_getaffinity(0))
    before = allowed(NO_LIMITS)
    assert allowed(Limits(cpus=(cpu,))) == str(cpu)
    assert allowed(NO_LIMITS) == before


def test_cpus_that_are_not_there_are_the_nodes_trouble(bench: Bench) -> None:
    run_dir = bench.new_dir()
    with pytest.raises(LaunchFailed, match="4000"):
        bench.start_limited(Limits(cpus=(4000,)), "true")
    assert not was_started(run_dir)


def test_a_job_over_its_memory_is_ended_whole(bench: Bench) -> None:
    run = bench.start_limited(Limits(memory_bytes=180 * MIB), "python3", "-S", "-c", GREEDY)
    wait_for_line(run, "ready")
    record = finish(run)
    # Neither of the two is over it alone.
    assert record.over_memory
    assert record.signal == signal.SIGKILL
    assert record.memory_limit_bytes == 180 * MIB
    assert 180 * MIB < record.peak_memory_bytes < 400 * MIB
    assert bench.living() == []
    assert record.wall_s < 10.0


def test_shared_pages_count_once(bench: Bench) -> None:
    record = bench.run("python3", "-S", "-c", SHARING, limits=Limits(memory_bytes=200 * MIB))
    assert (record.exit_code, record.over_memory) == (0, False)
    assert 120e6 < record.peak_memory_bytes < 200 * MIB


def test_a_job_within_its_memory_goes_on(bench: Bench) -> None:
    record = bench.run(
        "python3", "-S", "-c", "import time; time.sleep(0.4)", limits=Limits(memory_bytes=500 * MIB)
    )
    assert (record.exit_code, record.over_memory, record.oom_kills) == (0, False, 0)


def test_the_peak_is_that_of_all_processes_together(bench: Bench) -> None:
    assert 160e6 < bench.run("python3", "-S", "-c", TWO).peak_memory_bytes < 250e6


def test_what_is_written_is_counted_also_of_children_that_have_ended(bench: Bench, tmp_path: Path) -> None:
    write = f"head -c 30000000 /dev/zero > {tmp_path}/data; sync {tmp_path}/data"
    record = bench.run("/bin/sh", "-c", f"({write}) & wait")
    if record.written_bytes is None:
        pytest.skip("this kernel doesn't count it")
    assert 30_000_000 <= record.written_bytes < 40_000_000
    assert record.read_bytes is not None
    assert bench.run("true").written_bytes in range(1_000_000)


def test_no_core_is_dumped(bench: Bench) -> None:
    run = bench.start("/bin/sh", "-c", "ulimit -S -c")
    finish(run)
    assert (run.run_dir / "stdout.txt").read_text() == "0\n"

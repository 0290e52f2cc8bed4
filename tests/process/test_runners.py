"""The runners: used again and again, replaced when they die, and nothing of one job reaches the next."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from nodewatch.process import (
    Launcher,
    LauncherDied,
    LaunchFailed,
    Run,
    RunSpec,
    adopt,
    peek,
    read_exit,
    stop,
    sweep,
    was_started,
)
from nodewatch.process.runner import layout, procfs
from tests.process.conftest import Bench, finish, wait_for_line
from tests.support import wait_until

KILLS_ITS_RUNNER = (
    "import os, signal, time\ntime.sleep(0.2)\nos.kill(os.getppid(), signal.SIGKILL)\nsignal.pause()"
)
BURN = "import time\nx = b'1' * 80_000_000\nwhile time.process_time() < 0.3: pass"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_dead(pid))


def is_dead(pid: int) -> bool:
    process = procfs.look(pid)
    return process is None or process.state == "Z"


def output_of(run: Run) -> str:
    finish(run)
    return (run.run_dir / "stdout.txt").read_text()


def start_and_finish(bench: Bench, *argv: str) -> Run:
    run = bench.start(*argv)
    finish(run)
    return run


# Again and again


def test_a_runner_serves_one_run_after_the_other(bench: Bench) -> None:
    pids = set()
    for number in range(5):
        run = bench.start("/bin/sh", "-c", f"exit {number}")
        pids.add(run.pid)
        assert finish(run).exit_code == number
        assert adopt(run.run_dir) is None
    assert len(pids) == 1


def test_runs_at_one_time_have_runners_of_their_own(bench: Bench) -> None:
    pair = [bench.start("sleep", "600") for _ in range(2)]
    pids = {run.pid for run in pair}
    assert len(pids) == 2
    for run in pair:
        stop(run, "enough")
        finish(run)
    again = [bench.start("true") for _ in range(2)]
    assert {run.pid for run in again} == pids
    for run in again:
        finish(run)


def test_a_runner_goes_on_after_a_refusal(bench: Bench) -> None:
    first = start_and_finish(bench, "true")
    run_dir = bench.new_dir()
    for wrong in ({"cwd": run_dir / "gone"}, {"stderr": run_dir / "gone" / "err"}):
        spec = {"cwd": run_dir, "stdout": run_dir / "out", "stderr": run_dir / "err", **wrong}
        with pytest.raises(LaunchFailed, match="gone"):
            bench.launcher.launch(run_dir, RunSpec(("true",), env={}, **spec))
        assert not was_started(run_dir)
    second = bench.start("true")
    assert second.pid == first.pid
    finish(second)


def test_a_run_that_is_let_go_ends_without_its_launcher(bench: Bench) -> None:
    run = bench.start("/bin/sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; exit 4")
    run.close()
    other = start_and_finish(bench, "true")
    assert other.pid != run.pid
    adopted = adopt(run.run_dir)
    assert adopted is not None
    (run.run_dir / "go").touch()
    assert finish(adopted).exit_code == 4
    assert is_dead(run.pid)


def test_a_launcher_that_closes_ends_idle_runners_only(bench: Bench) -> None:
    with Launcher() as launcher:
        run_dirs = [bench.new_dir(name) for name in ("idle", "busy")]
        idle, busy = (launcher.launch(run_dir, bench.spec(run_dir, "cat", "go")) for run_dir in run_dirs)
        finish(idle)
    assert is_dead(idle.pid)
    busy_record = finish(busy)
    assert busy_record.exit_code == 1
    assert is_dead(busy.pid)


# Death


def test_an_idle_runner_that_died_is_replaced(bench: Bench) -> None:
    pair = [bench.start("true") for _ in range(2)]
    for run in pair:
        finish(run)
    for run in pair:
        kill(run.pid)
    third = bench.start("/bin/sh", "-c", "exit 3")
    assert third.pid not in {run.pid for run in pair}
    assert finish(third).exit_code == 3
    assert procfs.look(pair[1].pid) is None, "it was reaped"


def test_a_busy_runner_that_dies_loses_its_run_only(bench: Bench) -> None:
    lost, other = bench.start("sleep", "600"), bench.start("/bin/sh", "-c", "sleep 0.3; exit 2")
    kill(lost.pid)
    assert lost.wait(20.0)
    assert read_exit(lost.run_dir) is None
    assert adopt(lost.run_dir) is None
    assert sweep(lost.run_dir) == 1
    lost.close()
    assert procfs.look(lost.pid) is None, "it was reaped"
    assert finish(other).exit_code == 2
    assert finish(bench.start("/bin/sh", "-c", "exit 3")).exit_code == 3


def test_a_job_that_kills_its_runner_loses_its_own_run_only(bench: Bench) -> None:
    # One process from its begin to its end: while another program takes its place, its mark can't be read.
    run = bench.start("python3", "-S", "-c", KILLS_ITS_RUNNER)
    assert run.wait(20.0)
    assert adopt(run.run_dir) is None, "whoever sees the end of the run may sweep"
    assert sweep(run.run_dir) == 1
    run.close()
    assert bench.run("true").exit_code == 0


def test_runners_that_cannot_live_are_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(start_and_finish(bench, "true").pid)
    run_dir = bench.new_dir()
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", "/bin/false")
        with pytest.raises(LauncherDied, match=r"died: exit status 1"):
            bench.launcher.launch(run_dir, bench.spec(run_dir, "true"))
    assert not was_started(run_dir)
    assert bench.run("true").exit_code == 0


LINGERING = """
import socket, sys, time
control = socket.socket(fileno=int(sys.argv[2]))
control.recv(65536)
control.close()
time.sleep(0.3)
"""


def test_a_runner_counts_as_dead_only_when_it_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # What it began may not be judged, nor its run be swept, between the end of its socket and its own.
    kill(start_and_finish(bench, "true").pid)
    monkeypatch.setattr("nodewatch.process.launcher._PROGRAM", LINGERING)
    run_dir = bench.new_dir()
    with pytest.raises(LauncherDied, match=r"died: exit status 0"):
        bench.launcher.launch(run_dir, bench.spec(run_dir, "true"))


def test_a_runner_that_does_not_answer_is_killed_and_the_run_begins_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = start_and_finish(bench, "true").pid
    os.kill(stuck, signal.SIGSTOP)
    monkeypatch.setattr("nodewatch.process.launcher._ANSWER_S", 4.0)  # a new one must start within it
    run = bench.start("/bin/sh", "-c", "echo $$ >>marks")
    assert run.pid != stuck
    assert procfs.look(stuck) is None
    finish(run)
    assert len((run.run_dir / "marks").read_text().splitlines()) == 1


# Nothing of one job reaches the next


def test_a_late_stop_request_does_not_hit_the_next_run(bench: Bench) -> None:
    first = start_and_finish(bench, "true")
    second = bench.start("/bin/sh", "-c", "echo ready; sleep 0.5; exit 4")
    assert second.pid == first.pid
    wait_for_line(second, "ready")
    # As if the first run ended in the middle of ``stop``.
    with (first.run_dir / "started.json").open("r+b") as page:
        layout.write_request(page.fileno(), "too late")
    os.kill(first.pid, signal.SIGUSR1)
    record = finish(second)
    assert (record.exit_code, record.kill_reason) == (4, None)
    ended = read_exit(first.run_dir)
    assert ended is not None
    assert ended.kill_reason is None


def test_a_signal_that_waits_for_an_idle_runner_does_no_harm(bench: Bench) -> None:
    first = start_and_finish(bench, "true")
    os.kill(first.pid, signal.SIGUSR1)
    second = bench.start("/bin/sh", "-c", "sleep 0.2; exit 4")
    assert second.pid == first.pid
    record = finish(second)
    assert (record.exit_code, record.kill_reason) == (4, None)


def test_resources_are_those_of_one_run(bench: Bench) -> None:
    first = bench.start("python3", "-S", "-c", BURN)
    record = finish(first)
    assert record.user_cpu_s + record.system_cpu_s >= 0.3
    assert record.peak_memory_bytes > 80e6
    second = bench.start("/bin/sh", "-c", "echo ready; exec sleep 600")
    assert second.pid == first.pid
    wait_for_line(second, "ready")
    assert peek(second).cpu_s < 0.2
    adopted = adopt(second.run_dir)
    assert adopted is not None
    with adopted:
        assert peek(adopted).cpu_s < 0.2
    stop(second, "enough")
    record = finish(second)
    assert record.user_cpu_s + record.system_cpu_s < 0.2
    assert record.peak_memory_bytes < 50e6


def test_leftovers_and_reasons_are_those_of_one_run(bench: Bench) -> None:
    first = bench.start("/bin/sh", "-c", "sleep 600 & echo ready; exec sleep 600")
    wait_for_line(first, "ready")
    stop(first, "enough")
    record = finish(first)
    assert (record.leftovers_killed, record.kill_reason) == (1, "enough")
    second = bench.start("true")
    assert second.pid == first.pid
    record = finish(second)
    assert (record.leftovers_killed, record.kill_reason) == (0, None)


def test_a_runner_keeps_nothing_of_a_run(bench: Bench) -> None:
    def look(pid: int) -> tuple[list[str], str]:
        folder = Path(f"/proc/{pid}")
        targets = {int(entry.name): os.readlink(entry).split(":")[0] for entry in (folder / "fd").iterdir()}
        return [targets[number] for number in sorted(targets)], os.readlink(folder / "cwd")

    run = start_and_finish(bench, "/bin/sh", "-c", "sleep 0.1 & exit 1")
    assert look(run.pid) == (["/dev/null"] * 3 + ["socket"], "/")
    run_dir = bench.new_dir()
    with pytest.raises(LaunchFailed):
        bench.launcher.launch(run_dir, RunSpec(("true",), run_dir / "no", {}, run_dir / "o", run_dir / "e"))
    finish(bench.start("/no/such/program"))
    assert look(run.pid) == (["/dev/null"] * 3 + ["socket"], "/")


SURROUNDINGS = """
import os, resource
print([os.readlink(f"/proc/self/fd/{number}") for number in range(3)], os.path.exists("/proc/self/fd/3"))
print(sorted(os.environ.items()), os.getcwd(), os.umask(0), os.nice(0), os.sched_getaffinity(0))
print([resource.getrlimit(number) for number in range(resource.RLIM_NLIMITS)])
print([line for line in open("/proc/self/status") if line.startswith(("SigB", "SigI", "SigP"))])
"""


def test_the_next_job_finds_what_the_first_one_found(bench: Bench) -> None:
    before = bench.start("python3", "-S", "-c", SURROUNDINGS)
    first = output_of(before)
    messy = "umask 0; cd /tmp; ulimit -n 50; export X=1; exec 7</dev/zero; trap '' HUP TERM; renice -n 5 $$"
    start_and_finish(bench, "/bin/sh", "-c", messy)
    after = bench.start("python3", "-S", "-c", SURROUNDINGS)
    assert after.pid == before.pid
    assert output_of(after).replace(after.run_dir.name, before.run_dir.name) == first


def test_a_runner_that_was_reniced_with_its_job_serves_no_other(bench: Bench) -> None:
    own = os.nice(0)
    lower = str(own + 5)
    first = start_and_finish(bench, "/bin/sh", "-c", f"renice -n {lower} -p $PPID $$; nice")
    assert (first.run_dir / "stdout.txt").read_text().splitlines()[-1] == lower
    second = bench.start("nice")
    assert output_of(second) == f"{own}\n"
    assert second.pid != first.pid


def test_a_runner_is_small_and_loads_no_packages(bench: Bench) -> None:
    pid = start_and_finish(bench, "true").pid
    assert "site-packages" not in Path(f"/proc/{pid}/maps").read_text()
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident_kb = next(line.split()[1] for line in status if "VmRSS" in line)
    assert int(resident_kb) < 20_000

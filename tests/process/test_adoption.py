"""Jobs outlive the daemon, and what is left of lost runs is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodewatch.process import Run, adopt, find_processes, read_exit, read_started, stop, sweep, was_started
from tests.process.conftest import Bench, finish, wait_for_line
from tests.support import wait_until

DAEMON = """
import sys, time
from pathlib import Path
from nodewatch.process import Launcher, RunSpec
run_dir = Path(sys.argv[1])
launcher = Launcher()
job = ("/bin/sh", "-c", "echo before; while [ ! -e go ]; do sleep 0.02; done; echo after; exit 6")
spec = RunSpec(job, run_dir, {"PATH": "/bin"}, run_dir / "stdout.txt", run_dir / "stderr.txt")
run = launcher.launch(run_dir, spec)
other_dir = run_dir.with_name("other")
other_dir.mkdir()
other = launcher.launch(other_dir, RunSpec(("/bin/true",), other_dir, {}, other_dir / "o", other_dir / "o"))
other.wait()
other.close()
print(other.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def daemon(bench: Bench) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """A daemon whose job waits for the file ``go``: its process, the run's folder, its idle runner's pid."""
    run_dir = bench.new_dir()
    command = [sys.executable, "-c", DAEMON, str(run_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, run_dir, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_job_outlives_its_daemon(
    daemon: tuple[subprocess.Popen[str], Path, int], signum: signal.Signals
) -> None:
    process, run_dir, idle_pid = daemon
    process.send_signal(signum)
    process.wait(20.0)
    wait_until(lambda: not Path(f"/proc/{idle_pid}").exists(), what="an idle runner ends")
    run = adopt(run_dir)
    assert run is not None
    assert run.pid != idle_pid
    assert run.alive()
    assert read_exit(run_dir) is None
    assert len(find_processes(run)) >= 1
    (run_dir / "go").touch()
    record = finish(run)
    assert (record.exit_code, record.kill_reason) == (6, None)
    assert (run_dir / "stdout.txt").read_text() == "before\nafter\n"
    assert adopt(run_dir) is None
    wait_until(lambda: not Path(f"/proc/{run.pid}").exists(), what="its runner ends with it")


def test_an_adopted_job_can_be_stopped(daemon: tuple[subprocess.Popen[str], Path, int]) -> None:
    process, run_dir, _ = daemon
    process.kill()
    process.wait(20.0)
    run = adopt(run_dir)
    assert run is not None
    stop(run, "fenced")
    record = finish(run)
    assert (record.signal, record.kill_reason) == (signal.SIGTERM, "fenced")


def test_a_run_that_ended_without_a_daemon_has_its_record(
    daemon: tuple[subprocess.Popen[str], Path, int],
) -> None:
    process, run_dir, _ = daemon
    process.kill()
    process.wait(20.0)
    (run_dir / "go").touch()
    record = wait_until(lambda: read_exit(run_dir), what="a record")
    assert record is not None
    assert record.exit_code == 6


def kill_runner(run: Run) -> None:
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait(20.0)


def test_what_a_lost_runner_leaves_is_swept(bench: Bench) -> None:
    # The last two lose their mark, but not their session.
    waiting = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    script = f"setsid sleep 600 & env -i sleep 601 & (env -i sleep 601 &) ; {waiting}"
    run = bench.start("/bin/sh", "-c", script)
    other = bench.start("sleep", "602")
    wait_for_line(run, "ready")
    kill_runner(run)
    assert read_exit(run.run_dir) is None
    assert adopt(run.run_dir) is None
    assert was_started(run.run_dir)
    found = find_processes(run)
    assert len(found) >= 4
    assert sweep(run.run_dir) >= 4
    assert find_processes(run) == []
    assert sweep(run.run_dir) == 0
    assert other.alive()
    assert len(find_processes(other)) == 1
    stop(other, "enough")
    finish(other)


@pytest.fixture
def stranger(bench: Bench) -> Iterator[tuple[subprocess.Popen[bytes], Path, int]]:
    """A session where one process, not the leader, has the mark of a run: leader, run folder, its pid."""
    run_dir = bench.new_dir()
    script = f"DISTRIBUTE_RUN={run_dir} sleep 600 & echo $!; sleep 600"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as shell:
        assert shell.stdout is not None
        yield shell, run_dir, int(shell.stdout.readline())
        os.killpg(shell.pid, signal.SIGKILL)


def test_a_session_that_only_holds_a_copy_of_the_environment_is_spared(
    bench: Bench, stranger: tuple[subprocess.Popen[bytes], Path, int]
) -> None:
    shell, run_dir, marked = stranger
    wait_until(lambda: marked in [pid for pid, _ in bench.living()])
    assert sweep(run_dir) == 1
    assert bench.living() == []
    assert shell.poll() is None


FORKING = """
import os, time
print("ready", flush=True)
if not os.fork():
    for number in range(3000):
        if os.fork(): os._exit(0)
        time.sleep(0.002)
time.sleep(600)
"""


def test_a_forking_job_of_a_lost_runner_is_swept(bench: Bench) -> None:
    run = bench.start("python3", "-S", "-c", FORKING)
    wait_for_line(run, "ready")
    kill_runner(run)
    assert sweep(run.run_dir) >= 1
    assert bench.living() == []


def test_sweep_refuses_a_run_that_has_its_runner(bench: Bench) -> None:
    run = bench.start("sleep", "600")
    with pytest.raises(ValueError, match="stop it instead"):
        sweep(run.run_dir)
    stop(run, "enough")
    finish(run)


@pytest.mark.parametrize(
    "wrong", [{"runner_start": 1}, {"boot_id": "another"}, {"runner_pid": 2**22 - 1}, {"runner_pid": 1}]
)
def test_a_process_that_only_has_the_pid_is_not_adopted(bench: Bench, wrong: dict[str, object]) -> None:
    run = bench.start("sleep", "600")
    page = run.run_dir / "started.json"
    true_words, rest = page.read_text().split("\n", 1)
    page.write_text("\n".join([json.dumps({**json.loads(true_words), **wrong}).ljust(255), rest]))
    assert adopt(run.run_dir) is None
    page.write_text("\n".join([true_words, rest]))
    adopted = adopt(run.run_dir)
    assert adopted is not None
    adopted.close()
    stop(run, "enough")
    finish(run)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{"])
def test_a_broken_folder_is_not_adopted(bench: Bench, text: str) -> None:
    run_dir = bench.new_dir()
    for name in ("started.json", "exit.json"):
        (run_dir / name).write_text(text)
    assert adopt(run_dir) is None
    assert read_started(run_dir) is None
    assert read_exit(run_dir) is None


def test_a_closed_run_says_so(bench: Bench) -> None:
    run = bench.start("true")
    finish(run)
    with pytest.raises(ValueError, match="is closed"):
        run.alive()

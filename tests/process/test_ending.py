"""How runs end, and what their records say."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodewatch.process import LaunchFailed, RunSpec, read_exit, read_started, was_started
from tests.process.conftest import Bench, finish, open_bench
from tests.process.grouped import groups_of_our_own


@pytest.fixture(params=["plain", "grouped"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Both ways of starting a job must do the same."""
    if request.param == "plain":
        with open_bench(tmp_path / "runs", None) as bench:
            yield bench
        return
    with groups_of_our_own() as delegation, open_bench(tmp_path / "runs", delegation) as bench:
        yield bench


def test_a_good_end(bench: Bench) -> None:
    before = time.time()
    run = bench.start("/bin/sh", "-c", "echo out; echo err >&2; pwd")
    record = finish(run)
    assert (record.exit_code, record.signal, record.start_error, record.kill_reason) == (0, None, None, None)
    assert record.leftovers_killed == 0
    assert (run.run_dir / "stdout.txt").read_text() == f"out\n{run.run_dir}\n"
    assert (run.run_dir / "stderr.txt").read_text() == "err\n"
    assert before - 0.1 <= record.started_at <= record.ended_at <= time.time() + 0.1
    assert {path.name for path in run.run_dir.iterdir()} - {"cgroup"} == {
        "exit.json",
        "started.json",
        "stderr.txt",
        "stdout.txt",
    }


def test_the_folder_says_what_was_started(bench: Bench) -> None:
    run_dir = bench.new_dir()
    assert not was_started(run_dir)
    assert read_exit(run_dir) is None
    run = bench.launcher.launch(run_dir, bench.spec(run_dir, "true"))
    started = read_started(run_dir)
    assert started is not None
    assert (started.runner_pid, started.runner_start) == (run.pid, run.start)
    assert started.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert was_started(run_dir)
    finish(run)


@pytest.mark.parametrize("code", [1, 3, 255])
def test_exit_codes(bench: Bench, code: int) -> None:
    record = bench.run("/bin/sh", "-c", f"exit {code}")
    assert (record.exit_code, record.signal) == (code, None)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
def test_signals(bench: Bench, signum: signal.Signals) -> None:
    record = bench.run("/bin/sh", "-c", f"kill -{signum.value} $$")
    assert (record.exit_code, record.signal) == (None, signum)


def test_killing_its_own_group_spares_the_runner(bench: Bench) -> None:
    assert bench.run("/bin/sh", "-c", "kill -KILL 0").signal == signal.SIGKILL


def test_a_program_that_is_not_there(bench: Bench) -> None:
    record = bench.run("/no/such/solver")
    assert (record.exit_code, record.signal) == (None, None)
    assert record.start_error == "/no/such/solver: No such file or directory"


def test_a_name_that_is_not_in_the_path(bench: Bench) -> None:
    run_dir = bench.new_dir()
    spec = RunSpec(("solver",), run_dir, {"PATH": "/nowhere:/bin"}, run_dir / "out", run_dir / "err")
    record = finish(bench.launcher.launch(run_dir, spec))
    assert record.start_error == "solver: not found in PATH (/nowhere:/bin)"


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        ("#!/no/such/shell\n", 0o755, "the interpreter that its first line names is missing"),
        ("echo hello\n", 0o755, "Exec format error (a script needs a first line such as #!/bin/sh)"),
    ],
)
def test_scripts_that_cannot_run(bench: Bench, content: str, mode: int, why: str) -> None:
    run_dir = bench.new_dir()
    script = run_dir / "script"
    script.write_text(content)
    script.chmod(mode)
    record = finish(bench.launcher.launch(run_dir, bench.spec(run_dir, "./script")))
    assert record.start_error == f"./script: {why}"


def test_a_long_start_error_still_fits(bench: Bench) -> None:
    record = bench.run("/no\n\x01" + 'ü"\\' * 1000)
    assert record.start_error is not None
    assert record.start_error.startswith('/no  ü"\\')


def test_the_search_path_is_that_of_the_job(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "solver"
    script.write_text("#!/bin/sh\nexit 7\n")
    script.chmod(0o755)
    run_dir = bench.new_dir()
    spec = RunSpec(("solver",), run_dir, {"PATH": f"/bin:{tmp_path}"}, run_dir / "out", run_dir / "err")
    assert finish(bench.launcher.launch(run_dir, spec)).exit_code == 7


def test_a_folder_that_is_gone_is_not_the_fault_of_the_job(bench: Bench) -> None:
    run_dir = bench.new_dir()
    spec = RunSpec(("true",), run_dir / "gone", {}, run_dir / "out", run_dir / "err")
    with pytest.raises(LaunchFailed, match="gone: No such file"):
        bench.launcher.launch(run_dir, spec)
    assert not was_started(run_dir)


def test_a_folder_has_one_run_only(bench: Bench) -> None:
    run_dir = bench.new_dir()
    finish(bench.launcher.launch(run_dir, bench.spec(run_dir, "/bin/sh", "-c", "exit 5")))
    with pytest.raises(LaunchFailed, match="File exists"):
        bench.launcher.launch(run_dir, bench.spec(run_dir, "true"))
    record = read_exit(run_dir)
    assert record is not None
    assert record.exit_code == 5


def test_resources_sum_over_all_processes(bench: Bench) -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    script = f"import os,sys\nx=b'1'*80_000_000\nif os.fork():\n os.wait()\n{burn}"
    record = bench.run("python3", "-c", script)
    assert 0.4 <= record.user_cpu_s + record.system_cpu_s < 2.0
    assert 80e6 < record.peak_memory_bytes < 200e6
    assert record.wall_s >= 0.4


def test_much_output_goes_straight_to_the_file(bench: Bench) -> None:
    run = bench.start("/bin/sh", "-c", "head -c 200000000 /dev/zero")
    record = finish(run)
    assert (run.run_dir / "stdout.txt").stat().st_size == 200_000_000
    assert record.wall_s < 10


def test_both_outputs_in_one_file(bench: Bench) -> None:
    run_dir = bench.new_dir()
    spec = RunSpec(("/bin/sh", "-c", "echo a; echo b >&2; echo c"), run_dir, {}, run_dir / "o", run_dir / "o")
    finish(bench.launcher.launch(run_dir, spec))
    assert (run_dir / "o").read_text() == "a\nb\nc\n"


def test_a_job_has_three_descriptors_and_no_more(bench: Bench) -> None:
    with Path("/dev/null").open() as inheritable:
        os.set_inheritable(inheritable.fileno(), True)
        run = bench.start("/bin/sh", "-c", "ls -l /proc/$$/fd")
        finish(run)
    lines = (run.run_dir / "stdout.txt").read_text().splitlines()[1:]
    assert [line.split()[-3:] for line in lines] == [
        ["0", "->", "/dev/null"],
        ["1", "->", str(run.run_dir / "stdout.txt")],
        ["2", "->", str(run.run_dir / "stderr.txt")],
    ]


def test_a_job_has_no_signal_blocked_or_ignored(bench: Bench) -> None:
    run = bench.start("/bin/cat", "/proc/self/status")
    finish(run)
    lines = (run.run_dir / "stdout.txt").read_text().splitlines()
    masks = {
        name: int(value, 16)
        for name, value in (line.split(":") for line in lines if line.startswith("Sig"))
        if name != "SigQ"
    }
    masks["SigIgn"] &= ~(0b11 << 31)  # 32 and 33 belong to the C library, whose posix_spawn ignores them
    assert masks == {"SigPnd": 0, "SigBlk": 0, "SigIgn": 0, "SigCgt": 0}


def test_a_job_gets_its_environment_and_nothing_else(bench: Bench) -> None:
    run = bench.start("/usr/bin/env", COLOUR="blue ü")
    finish(run)
    lines = sorted((run.run_dir / "stdout.txt").read_text().splitlines())
    assert lines == ["COLOUR=blue ü", f"DISTRIBUTE_RUN={run.run_dir}", f"PATH={os.environ['PATH']}"]


def test_runners_shrug_off_polite_signals(bench: Bench) -> None:
    run = bench.start("/bin/sh", "-c", "sleep 0.5; exit 4")
    for signum in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGTSTP,
        signal.SIGUSR1,
    ):
        os.kill(run.pid, signum)
    assert finish(run).exit_code == 4

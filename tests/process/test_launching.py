"""Launching: shared by threads, once a folder, cheap, and on a full disk."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodewatch.process import Launcher, LauncherDied, LaunchFailed, Run, read_exit, stop, was_started
from tests.process.conftest import Bench, finish
from tests.support import wait_until


def test_a_closed_launcher_is_an_error(bench: Bench) -> None:
    bench.launcher.close()
    run_dir = bench.new_dir()
    with pytest.raises(LauncherDied, match="closed"):
        bench.launcher.launch(run_dir, bench.spec(run_dir, "true"))


def test_threads_share_a_launcher(bench: Bench) -> None:
    codes: dict[int, int | None] = {}

    def work(number: int) -> None:
        run_dir = bench.new_dir(f"thread{number}")
        spec = bench.spec(run_dir, "/bin/sh", "-c", f"exit {number}")
        codes[number] = finish(bench.launcher.launch(run_dir, spec)).exit_code

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert codes == {number: number for number in range(20)}


def test_one_of_two_launchers_wins_a_folder(bench: Bench) -> None:
    # What happens when a daemon dies just after it asked for a run, and the next one asks again.
    run_dir = bench.new_dir()
    spec = bench.spec(run_dir, "/bin/sh", "-c", "echo $$ >>marks; sleep 0.2")
    outcomes: list[Run | LaunchFailed] = []

    def work(launcher: Launcher) -> None:
        try:
            outcomes.append(launcher.launch(run_dir, spec))
        except LaunchFailed as trouble:
            outcomes.append(trouble)

    with Launcher() as other:
        threads = [threading.Thread(target=work, args=(launcher,)) for launcher in (bench.launcher, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        (run,) = (one for one in outcomes if isinstance(one, Run))
        assert finish(run).exit_code == 0
    (refusal,) = (one for one in outcomes if isinstance(one, LaunchFailed))
    assert "File exists" in str(refusal)
    assert len((run_dir / "marks").read_text().splitlines()) == 1
    assert not list(run_dir.glob("exit.[0-9]*"))


def test_a_large_environment_arrives(bench: Bench) -> None:
    large = {f"LARGE{number}": "x" * 100_000 for number in range(4)}
    run = bench.start("/usr/bin/env", **large)
    finish(run)
    assert (run.run_dir / "stdout.txt").stat().st_size > 400_000


def test_descriptors_do_not_pile_up(bench: Bench) -> None:
    finish(bench.start("true"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        finish(bench.start("true"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_two_hundred_runs_are_quick(bench: Bench, record_property: Callable[[str, object], None]) -> None:
    begin_s, begin_cpu_s = time.monotonic(), time.process_time()
    for number in range(200):
        run_dir = bench.new_dir(f"quick{number}")
        assert finish(bench.launcher.launch(run_dir, bench.spec(run_dir, "/bin/true"))).exit_code == 0
    rate_hz = 200 / (time.monotonic() - begin_s)
    cpu_ms = (time.process_time() - begin_cpu_s) / 200 * 1000
    record_property("runs_per_s", rate_hz)
    record_property("daemon_cpu_ms_per_run", cpu_ms)
    print(f"{rate_hz:.0f} runs/s, {cpu_ms:.2f} ms of daemon CPU a run")
    assert rate_hz > 20  # a tenth of what a busy two-core machine does: only a gross mistake is slower
    assert cpu_ms < 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small tmpfs")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_job_that_fills_the_disk_has_its_record(bench: Bench, small_disk: Path) -> None:
    run_dir = small_disk / "run"
    run_dir.mkdir()
    spec = bench.spec(run_dir, "/bin/sh", "-c", "head -c 5000000 /dev/zero; cat big >big; exit 8")
    record = finish(bench.launcher.launch(run_dir, spec))
    assert record.exit_code == 8
    assert (run_dir / "stdout.txt").stat().st_size < 2**20
    with pytest.raises(OSError, match="No space left"):
        (run_dir / "more").write_bytes(b"x" * 8192)


def test_a_job_on_a_full_disk_can_be_stopped(bench: Bench, small_disk: Path) -> None:
    run_dir = small_disk / "run"
    run_dir.mkdir()
    spec = bench.spec(run_dir, "/bin/sh", "-c", "head -c 5000000 /dev/zero; exec sleep 600")
    with bench.launcher.launch(run_dir, spec) as run:
        wait_until(lambda: (run_dir / "stdout.txt").stat().st_size > 900_000)
        stop(run, "the disk is full")
        assert run.wait(10)
    record = read_exit(run_dir)
    assert record is not None
    assert record.kill_reason == "the disk is full"


def test_a_disk_that_is_full_already_fails_the_launch(bench: Bench, small_disk: Path) -> None:
    run_dir = small_disk / "run"
    run_dir.mkdir()
    spec = bench.spec(run_dir, "true")
    with (
        pytest.raises(OSError, match="No space left"),
        (small_disk / "filler").open("wb", buffering=0) as filler,
    ):
        while filler.write(b"x" * 4096) == 4096:
            pass
    with pytest.raises(LaunchFailed, match=r"No space|no room"):
        bench.launcher.launch(run_dir, spec)
    assert not was_started(run_dir)
    assert list(run_dir.iterdir()) == []
    (small_disk / "filler").unlink()
    assert finish(bench.launcher.launch(run_dir, spec)).exit_code == 0

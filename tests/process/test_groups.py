"""Runs with control groups on this machine: frozen at once, ended at once, counted, and cleaned up after."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from nodewatch.process import Limits, Run, adopt, find_processes, pause, peek, resume, stop, sweep
from nodewatch.process.runner import forking, spawning
from nodewatch.process.runner.groups import Group
from tests.process.conftest import Bench, finish, wait_for_line
from tests.process.grouped import groups_of_our_own, read_count
from tests.process.test_leftovers import FORK_CHAIN, FORK_TREE, LINGERING
from tests.process.test_stopping import BUSY, FORKING, spends
from tests.support import wait_until

# Not what PATH has: that may be a script, which starts others before it is Python.
PYTHON = (sys.executable, "-S", "-c")


def folder_of(run: Run) -> Path:
    assert run.group
    return Path(run.group.path)


@pytest.mark.parametrize("script", LINGERING.values(), ids=LINGERING.keys())
def test_lingering_children_are_ended(grouped: Bench, script: str) -> None:
    waits = "while not os.path.exists('go'): time.sleep(0.01)"
    run = grouped.start(*PYTHON, f"import os,signal,sys,time\n{waits}\n{script}\nos._exit(3)")
    folder = folder_of(run)
    (run.run_dir / "go").touch()
    record = finish(run)
    assert grouped.living() == []
    assert not folder.exists()
    assert (record.exit_code, record.leftovers_killed, record.kill_reason) == (3, 1, None)


@pytest.mark.parametrize("script", [FORK_CHAIN, FORK_TREE], ids=["chain", "tree"])
def test_forking_children_are_ended(grouped: Bench, script: str) -> None:
    record = grouped.run(*PYTHON, f"import os,time\n{script}\nos._exit(0)")
    assert grouped.living() == []
    assert record.exit_code == 0


def test_the_runner_is_at_home_and_the_job_in_its_group(grouped: Bench) -> None:
    run = grouped.start(*PYTHON, BUSY)
    wait_until(lambda: peek(run).processes == 3)
    folder = folder_of(run)
    assert {pid for pid, _ in find_processes(run)} == set(
        map(int, (folder / "cgroup.procs").read_text().split())
    )
    assert run.pid not in {pid for pid, _ in find_processes(run)}
    stop(run, "enough")
    finish(run)


def test_a_paused_job_stands_still_without_being_signalled(grouped: Bench) -> None:
    run = grouped.start(*PYTHON, FORKING, grace_s=0.3)
    wait_for_line(run, "ready")
    pause(run)
    pause(run)
    assert read_count(folder_of(run) / "cgroup.events", "frozen") == 1
    before = find_processes(run)
    assert not spends(run, 0.5)
    assert find_processes(run) == before
    assert "T" not in {
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid, _ in before
    }
    resume(run)
    wait_until(lambda: find_processes(run) != before, what="it forks again")
    stop(run, "enough")
    finish(run)


SERVED = """\
squashfuse_ll -f -o ro packed served &
until [ -e served/file ]; do sleep 0.01; done
echo ready
while :; do dd if=served/file of=/dev/null bs=4k iflag=direct status=none; done
"""


def test_a_job_stands_still_though_it_waits_for_its_own_file_server(grouped: Bench) -> None:
    """Once that is frozen, who waits for it never leaves the kernel, so that the kernel never calls it frozen."""
    if os.geteuid() != 0 or not shutil.which("squashfuse_ll") or not shutil.which("mksquashfs"):
        pytest.skip("needs root, squashfuse and squashfs-tools")
    folder = grouped.new_dir("files")
    (folder / "file").write_bytes(os.urandom(1 << 20))
    making = f"mksquashfs {folder}/file packed -quiet -no-progress >&2 && mkdir served"
    run = grouped.start("unshare", "-m", "sh", "-c", f"{making} && {SERVED}")
    wait_for_line(run, "ready")
    frozen = []
    for _ in range(12):
        pause(run)
        # The kernel's count may lag behind for a moment.
        wait_until(lambda: not spends(run, 0.05), 2.0, what="it stands still")
        frozen.append(read_count(folder_of(run) / "cgroup.events", "frozen"))
        resume(run)
        wait_until(lambda: spends(run, 0.05), what="it goes on")
    assert 0 in frozen, "it was caught in the middle of a read"
    stop(run, "enough")
    finish(run)


def test_a_paused_job_can_be_stopped(grouped: Bench) -> None:
    run = grouped.start("/bin/sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
    wait_for_line(run, "ready")
    pause(run)
    stop(run, "killed while paused")
    record = finish(run)
    assert (record.exit_code, record.kill_reason) == (9, "killed while paused")


def test_the_next_daemon_finds_the_group(grouped: Bench) -> None:
    run = grouped.start(*PYTHON, BUSY)
    wait_until(lambda: peek(run).processes == 3)
    pause(run)
    adopted = adopt(run.run_dir)
    assert adopted and adopted.group
    with adopted:
        resume(adopted)
        assert spends(adopted, 5.0)
        stop(adopted, "enough")
    finish(run)


def test_a_lost_runner_leaves_nothing(grouped: Bench) -> None:
    run = grouped.start(*PYTHON, BUSY)
    wait_until(lambda: peek(run).processes == 3)
    pause(run)
    folder = folder_of(run)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait(5.0)
    assert sweep(run.run_dir) == 3
    assert grouped.living() == []
    assert not folder.exists()
    run.close()


def test_usage_counts_what_has_ended_already(grouped: Bench) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    run = grouped.start("/bin/sh", "-c", f"python3 -S -c '{burn}'; x=ready; echo $x; exec sleep 600")
    wait_for_line(run, "ready")
    usage = peek(run)
    assert usage.cpu_s >= 0.3
    assert usage.processes == 1
    assert 0 < usage.memory_bytes < 50e6
    stop(run, "enough")
    record = finish(run)
    assert 0.3 <= record.user_cpu_s + record.system_cpu_s < 2.0


def test_a_group_inside_the_group_goes_too(grouped: Bench) -> None:
    run = grouped.start(*PYTHON, BUSY)
    wait_until(lambda: peek(run).processes == 3)
    inner = folder_of(run) / "inner" / "most"
    inner.mkdir(parents=True)
    pid = find_processes(run)[-1][0]
    (inner / "cgroup.procs").write_text(str(pid))
    assert pid in {found for found, _ in find_processes(run)}
    stop(run, "enough")
    finish(run)
    assert not inner.parent.parent.exists()


def test_a_program_that_is_not_there_leaves_no_group(grouped: Bench) -> None:
    run = grouped.start("/no/such/solver")
    assert finish(run).start_error == "/no/such/solver: No such file or directory"


def test_a_folder_that_is_gone_leaves_no_group(grouped: Bench) -> None:
    from nodewatch.process import LaunchFailed, RunSpec

    run_dir = grouped.new_dir()
    spec = RunSpec(("true",), run_dir / "gone", {}, run_dir / "out", run_dir / "err")
    with pytest.raises(LaunchFailed, match="gone: No such file"):
        grouped.launcher.launch(run_dir, spec)
    assert not (run_dir / "cgroup").exists()


def test_memory_is_watched_where_there_is_no_controller(grouped: Bench) -> None:
    script = "import time; time.sleep(0.3); x = b'1' * 200_000_000; time.sleep(60)"
    run = grouped.start_limited(Limits(memory_bytes=100 << 20), *PYTHON, script)
    if (folder_of(run) / "memory.max").exists():
        stop(run, "not this test's")
        pytest.skip("there is a memory controller here, and so the kernel sees to it")
    record = finish(run)
    assert record.over_memory and record.signal == signal.SIGKILL
    assert record.memory_limit_bytes == 100 << 20 < record.peak_memory_bytes
    assert record.wall_s < 10.0


def test_kernels_that_bear_no_process_in_a_group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: object) -> int:
        raise forking.Unsupported

    monkeypatch.setattr(spawning, "spawn_into", refuse)
    monkeypatch.chdir(tmp_path)  # and back
    with groups_of_our_own() as delegation:
        group = Group(str(delegation.base / "run-old"), str(delegation.home))
        group.make()
        before = Path("/proc/self/cgroup").read_text()
        out = str(tmp_path / "out")
        request = {"argv": ["cat", "/proc/self/cgroup"], "env": {}, "run_dir": "", "cwd": "/"}
        limits = {"cpus": None, "memory_bytes": None, "pids": None}
        pid = spawning.start({**request, "stdout": out, "stderr": out, "limits": limits}, group)
        assert os.waitpid(pid, 0)[1] == 0
        assert "/run-old\n" in Path(out).read_text()
        assert Path("/proc/self/cgroup").read_text() == before
        group.clear()

"""All controllers of cgroup v2, in a guest of this machine: what the kernel itself limits and counts."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.nfs.bed import BedError, lone_guest
from tests.nfs.conftest import kit_or_skip

_PROJECT = Path(__file__).parents[2]
MIB = 1 << 20
CONTROLLERS = ["cpu", "io", "memory", "pids"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``inside_guest`` saw."""
    kit = kit_or_skip()
    folder = tmp_path_factory.mktemp("guest")
    try:
        with lone_guest(folder, kit) as guest:
            runs = "/run/runs"
            guest.run("mkdir", runs)
            argv = (sys.executable, "-m", "tests.process.inside_guest", runs)
            output = guest.run(*argv, env={"PYTHONPATH": str(_PROJECT)}, within_s=120.0, check=False)
    except (BedError, AssertionError) as error:
        pytest.skip(f"the guest doesn't boot here: {error}")
    assert output.exit_code == 0, output.error
    results: dict[str, Any] = json.loads(output.out)
    return results


def check_nothing_is_left(record: dict[str, Any]) -> None:
    assert record["left"] == []
    assert not record["group_left"]


def test_a_unit_with_delegation(found: dict[str, Any]) -> None:
    base = "/sys/fs/cgroup/system.slice/nodewatch.service"
    assert found["unit"] == {
        "base": base,
        "home": f"{base}/daemon",
        "again": True,
        "controllers": CONTROLLERS,
    }


def test_a_user_with_delegation(found: dict[str, Any]) -> None:
    home = "/sys/fs/cgroup/user-True/daemon"
    assert found["user"] == {
        "inside": "0::/user-True/run-x",
        "home": home,
        "controllers": ["memory", "pids"],
        "caps": True,
    }


def test_a_user_without(found: dict[str, Any]) -> None:
    assert found["stranger"] == {
        "why": "/sys/fs/cgroup/user-False isn't delegated to this process: Permission denied"
    }


def test_the_root_of_all(found: dict[str, Any]) -> None:
    assert found["root"] == {
        "base": "/sys/fs/cgroup/nodewatch",
        "home": "/sys/fs/cgroup",
        "controllers": CONTROLLERS,
    }


def test_the_kernel_ends_what_is_over_its_memory_together(found: dict[str, Any]) -> None:
    record = found["over"]
    assert (record["signal"], record["over_memory"]) == (signal.SIGKILL, True)
    assert record["oom_kills"] >= 2
    assert 60 * MIB < record["peak_memory_bytes"] <= 64 * MIB == record["memory_limit_bytes"]
    assert record["wall_s"] < 20.0
    check_nothing_is_left(record)


def test_the_peak_is_that_of_all_processes_together(found: dict[str, Any]) -> None:
    record = found["within"]
    assert (record["exit_code"], record["over_memory"], record["oom_kills"]) == (0, False, 0)
    assert 80 * MIB < record["peak_memory_bytes"] < 120 * MIB
    check_nothing_is_left(record)


def test_parents_go_with_a_child_that_is_too_large(found: dict[str, Any]) -> None:
    record = found["family"]
    assert (record["signal"], record["over_memory"]) == (signal.SIGKILL, True)
    assert record["oom_kills"] >= 2
    check_nothing_is_left(record)


def test_a_limit_below_any_use_is_no_harm_to_the_runner(found: dict[str, Any]) -> None:
    record = found["tiny"]
    assert (record["signal"], record["over_memory"]) == (signal.SIGKILL, True)
    check_nothing_is_left(record)


def test_forks_are_limited(found: dict[str, Any]) -> None:
    record = found["forks"]
    assert record["exit_code"] == 19
    assert record["leftovers_killed"] == 19
    check_nothing_is_left(record)


def test_what_stands_in_the_files(found: dict[str, Any]) -> None:
    files = found["bound"]["files"]
    # Without cpuset, which this guest's kernel lacks, as many CPU seconds a second as there are CPUs.
    assert files.get("cpuset.cpus", "0") == "0"
    assert files["cpu.max"] == "100000 100000"
    assert (files["memory.max"], files["memory.oom.group"], files["pids.max"]) == (str(64 * MIB), "1", "20")
    assert len(files["cgroup.procs"].split()) == 1
    assert found["bound"]["runner"] == "0::/system.slice/nodewatch.service/daemon"
    check_nothing_is_left(found["bound"])


def test_a_frozen_job_uses_nothing(found: dict[str, Any]) -> None:
    record = found["paused"]
    assert record["during_s"] == record["before_s"]
    assert record["usage"]["processes"] == 2
    assert 0 < record["usage"]["memory_bytes"] < 60 * MIB
    assert record["user_cpu_s"] + record["system_cpu_s"] >= record["usage"]["cpu_s"]
    check_nothing_is_left(record)


def test_a_limit_that_was_forgotten_is_set_again(found: dict[str, Any]) -> None:
    record = found["forgotten"]
    assert (record["before"], record["gone"], record["after"]) == (str(64 * MIB), True, "max")
    assert (record["signal"], record["over_memory"]) == (signal.SIGKILL, True)
    check_nothing_is_left(record)

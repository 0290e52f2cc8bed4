"""Jobs that exceed what they asked for, on real nodes, with control groups and without."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nodewatch.topology import parse_cpu_list
from spoold.codec import decode
from spoold.node_records import Limiting, NodeInfo
from spoold.records import EndedBy
from spoold.tickets import State
from tests.lab import Lab
from tests.node.test_pauses import wait_paused
from tests.support import wait_until

WAYS = ("--cgroups", "--no-cgroups")
DEAF = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600' & echo begun; "
GREEDY = DEAF + "exec python3 -S -c 'import time; x = b\"1\" * 300_000_000; time.sleep(600)'"


def node_info(lab: Lab, name: str) -> NodeInfo:
    info = lab.spool.layout.node(name).info
    return decode(NodeInfo, info.read_bytes(), info)


@pytest.mark.parametrize("way", WAYS)
def test_memory(lab: Lab, way: str) -> None:
    node = lab.node("alpha", way)
    key = lab.batch(
        "greedy", {"a": {"command": GREEDY, "resources": {"memory": "150M"}}, "b": "true"}, retries=1
    )
    assert lab.wait_finished(key) == {State.FAILED: ["a~2@alpha"], State.DONE: ["b~1@alpha"]}
    assert not lab.living()
    for record in (record for record in lab.records() if record.job == "a"):
        assert record.ending is EndedBy.OUT_OF_MEMORY
        assert record.reason.startswith("out of memory: used ")
        assert record.reason.endswith(" of 150 MiB; ask for more with resources: {memory: 300M}")
        assert record.peak_memory_bytes > 140 << 20
    assert lab.record(key, "b").ending is EndedBy.EXIT
    # It is the job's fault, and soon twice; the node is not to blame.
    assert not lab.status("alpha").troubles
    limits = node_info(lab, "alpha").limits
    assert limits is (Limiting.FALLBACK if way == "--no-cgroups" else limits)
    assert f"jobs are limited {'by' if limits is Limiting.CGROUP else 'without'} control groups" in node.said


@pytest.mark.parametrize("way", WAYS)
def test_time_stands_still_in_a_pause_and_outlives_a_daemon(lab: Lab, way: str) -> None:
    node = lab.node("alpha", way)
    key = lab.batch(
        "slow", {"a": {"command": "echo begun; while :; do :; done", "resources": {"time": "2s"}}}
    )
    wait_until(lab.living)
    (node.scratch / "pause").touch()
    wait_paused(lab, node)
    paused_at_s = time.monotonic()
    node.kill()
    node = lab.node("alpha", way)
    wait_until(lambda: time.monotonic() - paused_at_s > 2.5)
    assert lab.state(key, "a") is State.CLAIMED and lab.living()
    (node.scratch / "pause").unlink()
    assert lab.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    assert not lab.living()
    record = lab.record(key, "a")
    assert record.ending is EndedBy.TIME_LIMIT
    assert record.reason.startswith("time limit: it ran for longer than 2s, ")
    assert record.wall_s > 2.0 + 2.5


def test_time_goes_on_without_a_daemon(lab: Lab, tmp_path: Path) -> None:
    node = lab.node("alpha")
    key = lab.batch("slow", {"a": {"command": "setsid sleep 600 & sleep 600", "resources": {"time": "1s"}}})
    wait_until(lab.living)
    node.kill()
    begin_s = time.monotonic()
    wait_until(lambda: time.monotonic() - begin_s > 1.5)
    lab.node("alpha")
    assert lab.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    assert lab.record(key, "a").ending is EndedBy.TIME_LIMIT
    assert not lab.living()


def test_a_kill_is_a_kill(lab: Lab) -> None:
    lab.node("alpha")
    key = lab.batch(
        "killed", {"a": {"command": "echo begun; sleep 600", "resources": {"time": "1h", "memory": "1G"}}}
    )
    wait_until(lab.living)
    lab.kill(key, reason="enough")
    assert lab.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}
    record = lab.record(key, "a")
    assert (record.ending, record.reason) == (EndedBy.KILLED, "cancelled: enough")


@pytest.mark.parametrize("way", WAYS)
def test_a_job_is_on_the_cpus_of_its_cores(lab: Lab, way: str) -> None:
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        pytest.skip("there is only one CPU here")
    lab.node("alpha", way)
    show = {"command": "grep Cpus_allowed_list /proc/self/status", "resources": {"cores": 1}}
    key = lab.batch("bound", {"a": show})
    assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    cpus = parse_cpu_list(lab.text(key, "a", "stdout.txt").split()[1])
    assert min(usable) in cpus < set(usable)

"""Several jobs on one node: each with cores, GPUs and a tree of its own."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from spoold.records import JobRecord
from spoold.tickets import State
from tests.lab import Lab
from tests.node.gate import Gate
from tests.support import wait_until

ONE: dict[str, Any] = {"cores": 1}


def job(command: str, **resources: Any) -> dict[str, Any]:
    return {"command": command, "resources": resources}


def check_grants(records: Iterable[JobRecord], cores: int, gpus: dict[str, int]) -> None:
    """From the recorded histories: nobody had what somebody else had at the same time."""
    done = list(records)
    for record in done:
        assert set(record.core_ids) <= set(range(cores)), record
        assert set(record.gpu_ids) <= set(range(gpus[record.node])), record
        assert record.cores == len(record.core_ids) >= 1
    for one, other in combinations(done, 2):
        if one.node == other.node and one.started_at < other.ended_at and other.started_at < one.ended_at:
            assert not set(one.core_ids) & set(other.core_ids), (one, other)
            assert not set(one.gpu_ids) & set(other.gpu_ids), (one, other)


def overlapping(records: list[JobRecord]) -> int:
    """The most that ran at one time."""
    return max(sum(r.started_at <= at.started_at < r.ended_at for r in records) for at in records)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_nodes_share_a_mixed_batch(lab: Lab) -> None:
    show = 'echo "$DISTRIBUTE_CORES $OMP_NUM_THREADS [$CUDA_VISIBLE_DEVICES]"'
    jobs: dict[str, Any] = {f"small{n:03}": job(show, cores=1) for n in range(140)}
    jobs |= {f"pair{n}": job(f"sleep 0.1; {show}", cores=2) for n in range(24)}
    jobs |= {f"memory{n}": job(f"sleep 0.1; {show}", cores=1, memory="3G") for n in range(12)}
    jobs |= {f"gpu{n}": job(f"sleep 0.1; {show}", gpus=1) for n in range(16)}
    jobs |= {f"gpus{n}": job(f"sleep 0.1; {show}", cores=1, gpus=2) for n in range(3)}
    jobs |= {f"large{n}": job(f"sleep 0.2; {show}", cores=4) for n in range(3)}
    jobs |= {f"whole{n}": f"sleep 0.1; {show}" for n in range(2)}
    assert len(jobs) == 200
    lab.steward()
    gpus = {"alpha": 2, "beta": 0}
    size = ("--no-steward", "--cores", "4", "--memory", "6G")
    for name, count in gpus.items():
        lab.node(name, *size, "--gpus", str(count))
    key = lab.batch("mixed", jobs)
    tickets = lab.wait_finished(key, within_s=200)
    assert {state: len(found) for state, found in tickets.items()} == {State.DONE: 200}
    records = list(lab.records())
    check_grants(records, 4, gpus)
    by_node = {name: [r for r in records if r.node == name] for name in gpus}
    assert all(len(found) >= 20 for found in by_node.values())
    assert all(overlapping(found) > 1 for found in by_node.values())
    assert {r.node for r in records if r.job.startswith("gpu")} == {"alpha"}
    for record in records:
        shown = lab.text(key, record.job, "stdout.txt")
        mine = "" if record.job.startswith("whole") else ",".join(map(str, record.gpu_ids))
        assert shown == f"{record.cores} {record.cores} [{mine}]\n", record
    assert {r.cores for r in records if r.job.startswith(("large", "whole"))} == {4}
    memory = [r for r in records if r.job.startswith("memory")]
    assert all(overlapping([r for r in memory if r.node == name] or memory[:1]) <= 2 for name in gpus)


def test_each_has_a_copy_of_what_was_built(lab: Lab, gate: Gate) -> None:
    lab.steward()
    command = f"test ! -e mine && touch mine && cat link > distribute_save/built && pwd && {gate.command}"
    key = lab.batch(
        "trees",
        {name: job(command, **ONE) for name in ("a", "b")},
        build="echo $$ > built; mkdir -m 700 deep; ln -s built link; echo x >> ../builds",
    )
    lab.node("alpha", "--no-steward", "--cores", "2")
    gate.wait_begun(2)
    gate.open()
    assert list(lab.wait_finished(key)) == [State.DONE]
    assert len({lab.text(key, name, "stdout.txt") for name in "ab"}) == 2
    assert len({lab.text(key, name, "built") for name in "ab"}) == 1
    assert (lab.folder / "scratch" / "alpha" / "work" / "lab" / "builds").read_text() == "x\n"


def test_the_next_daemon_knows_what_each_has(lab: Lab, gate: Gate) -> None:
    """Both are adopted, and nobody else gets their cores."""
    lab.steward()
    lab.batch("held", {"a": job(gate.command, **ONE), "b": job(gate.command, cores=2)})
    alpha = lab.node("alpha", "--no-steward", "--cores", "4")
    gate.wait_begun(2)
    alpha.kill()
    lab.node("alpha", "--no-steward", "--cores", "4")
    key = lab.batch("new", {"large": job("true", cores=2), "small": job("true", **ONE)})
    lab.wait_state(key, "small", State.DONE)
    assert lab.state(key, "large") is State.PENDING
    gate.open()
    lab.wait_finished(key)
    records = {record.job: record for record in lab.records()}
    assert records["a"].attempt == records["b"].attempt == 1
    check_grants(records.values(), 4, {"alpha": 0})


def test_a_large_job_does_not_starve(lab: Lab, tmp_path: Path) -> None:
    """Small ones wait beside it; none of those that came later and say how long they take delays it."""
    lab.steward()
    gates = [Gate(tmp_path / name) for name in ("one", "two")]
    lab.node("alpha", "--no-steward", "--cores", "2")
    first = lab.batch("first", {gate.folder.name: job(gate.command, cores=1, time=600) for gate in gates})
    for gate in gates:
        gate.wait_begun()
    large = lab.batch("large", {"x": job("true", cores=2)})
    lab.wait_state(large, "x", State.PENDING)
    later = lab.batch("later", {f"s{n}": job("true", cores=1, time=600) for n in range(10)})
    lab.wait_state(later, "s9", State.PENDING)
    gates[0].open()
    lab.wait_state(first, "one", State.DONE)
    # One that ends in time may go first; when it has, the node has passed over the others.
    short = lab.batch("short", {"a": job("true", cores=1, time=60)})
    lab.wait_state(short, "a", State.DONE)
    gates[1].open()
    lab.wait_finished(later)
    (begun_s,) = (r.started_at for r in lab.records() if r.job == "x")
    assert all(r.started_at >= begun_s for r in lab.records() if r.batch == "later"), lab.describe()


def test_what_is_kept_back_is_not_lent(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "nodewatch.yaml"
    config.write_text("reserve: {cores: 1, memory: 1G}\ngpus: 3\n")
    lab.steward()
    lab.node("alpha", "--no-steward", "--cores", "4", "--memory", "4G", "--config", str(config))
    key = lab.batch("whole", {"a": "echo $DISTRIBUTE_CORES", "b": job("true", cores=4)})
    lab.wait_state(key, "a", State.DONE)
    assert lab.text(key, "a", "stdout.txt") == "3\n"
    assert lab.state(key, "b") is State.PENDING
    info = wait_until(lambda: (lab.spool.layout.node("alpha").info).read_text())
    assert '"cores":3' in info and f'"memory_bytes":{3 << 30}' in info and '"gpus":3' in info

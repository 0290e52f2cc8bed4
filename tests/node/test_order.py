"""What runs when: dependencies, priorities, tries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spoold.records import Outcome
from spoold.spool import Settings
from spoold.tickets import State
from tests.lab import FAST, Lab
from tests.node.gate import Gate


def test_priority_then_age_then_place_in_the_file(lab: Lab, tmp_path: Path) -> None:
    """All wait before the node starts, so the order is the node's own."""
    steward = lab.steward()
    log = f"echo $DISTRIBUTE_BATCH/$DISTRIBUTE_JOB >> {tmp_path}/order"
    jobs = {
        "z": log,
        "y": log,
        "urgent": {"command": log, "priority": 5},
        "late": {"command": log, "priority": -5},
    }
    keys = [lab.batch("first", jobs)]
    lab.wait(lambda: lab.tickets(keys[0]), 20, "it is admitted")
    keys.append(lab.batch("second", jobs, priority=1))
    keys.append(lab.batch("third", {"z": log}, priority=1))
    lab.wait(lambda: all(map(lab.tickets, keys)), 20, "all are admitted")
    node = lab.node("alpha", "--no-steward")
    for key in keys:
        lab.wait_finished(key)
    order = (tmp_path / "order").read_text().split()
    urgent = [name for name in order if name.endswith("urgent")]
    assert urgent == order[:2] == ["first/urgent", "second/urgent"]
    assert [name for name in order if "/late" in name] == order[-2:]
    # What stands here already has no precedence where nothing had to be built.
    assert order[2:-2] == ["second/z", "second/y", "third/z", "first/z", "first/y"]
    assert (node.terminate(), steward.terminate()) == (0, 0)


def test_depends_and_retries(shared: Lab, tmp_path: Path) -> None:
    log = f"echo $DISTRIBUTE_JOB~$DISTRIBUTE_ATTEMPT >> {tmp_path}/log"
    third_time = f"{log}; echo $DISTRIBUTE_ATTEMPT > distribute_save/attempt; test $DISTRIBUTE_ATTEMPT -ge 3"
    key = shared.batch(
        "chained",
        {
            "last": {"command": log, "depends": ["middle", "stubborn"]},
            "middle": {"command": log, "depends": ["first"]},
            "stubborn": {"command": third_time, "retries": 2},
            "first": log,
            "hopeless": {"command": f"{log}; exit 4", "retries": 1},
            "orphan": {"command": log, "depends": ["hopeless"]},
            "orphan_2": {"command": log, "depends": ["orphan"]},
        },
    )
    tickets = shared.wait_finished(key)
    assert sorted(tickets[State.DONE]) == [
        "first~1@alpha",
        "last~1@alpha",
        "middle~1@alpha",
        "stubborn~3@alpha",
    ]
    assert tickets[State.FAILED] == ["hopeless~2@alpha"]
    assert sorted(tickets[State.CANCELLED]) == ["orphan_2~1", "orphan~1"]
    order = (tmp_path / "log").read_text().split()
    assert sorted(order) == sorted({*order}), "none ran twice"
    assert (
        order.index("first~1")
        < order.index("middle~1")
        < order.index("last~1")
        == max(
            order.index(name) for name in order if name.startswith(("first", "middle", "stubborn", "last"))
        )
    )
    # Each try is kept under its number, the last one under the job's name.
    attempts = [("stubborn~1", 1), ("stubborn~2", 2), ("stubborn", 3)]
    for folder, attempt in attempts:
        assert shared.text(key, folder, "attempt") == f"{attempt}\n"
    assert shared.record(key, "stubborn~1").outcome is Outcome.FAILED
    assert shared.record(key, "hopeless").reason == "exit code 4"
    assert shared.record(key, "hopeless~1").attempt == 1


def test_a_hint_that_comes_just_after_a_listing_is_heeded(tmp_path: Path) -> None:
    """As when a namespace's folder appears, and then its first batch."""
    settings = Settings(settle_s=0.2, rescan_s=30.0)  # and a heartbeat that gives no hints meanwhile
    with Lab(tmp_path / "lab", settings) as lab:
        steward = lab.steward()
        key = lab.batch("hinted", {"a": "true"})
        lab.wait(lambda: lab.tickets(key), 20, "it is admitted")
        steward.terminate()
        namespace = lab.spool.layout.batches / "lab"
        hidden = namespace.rename(tmp_path / "hidden")
        lab.node("alpha", "--no-steward")
        others = [namespace.with_name(f"other{number}") for number in range(10)]
        for other in others:
            other.mkdir()
        hidden.rename(namespace)
        lab.wait_state(key, "a", State.DONE, within_s=20.0)


def test_a_job_rests_before_it_is_tried_again(tmp_path: Path) -> None:
    """Nodes and steward are told of one wait by the spool, and none of them compares clocks."""
    wait_s = 1.0
    with Lab(tmp_path / "lab", replace(FAST, retry_wait_s=wait_s)) as lab:
        lab.node("alpha")
        failing = f"date +%s.%N >> {tmp_path}/times; test $DISTRIBUTE_ATTEMPT -ge 3"
        key = lab.batch("rests", {"a": {"command": failing, "retries": 2}, "b": "true"})
        lab.wait_state(key, "a", State.HELD)
        assert lab.wait_finished(key) == {State.DONE: ["a~3@alpha", "b~1@alpha"]}
        begun = [float(line) for line in (tmp_path / "times").read_text().split()]
        assert len(begun) == 3
        # Doubled each time; how much longer it takes is the machine's business.
        assert begun[1] - begun[0] > wait_s
        assert begun[2] - begun[1] > 2 * wait_s


def test_a_batch_starts_when_the_one_before_it_has_ended(shared: Lab, tmp_path: Path, gate: Gate) -> None:
    log = f"echo $DISTRIBUTE_BATCH/$DISTRIBUTE_JOB >> {tmp_path}/log"
    later = shared.batch("later", {"a": log, "b": log}, after="lab/earlier")
    never = shared.batch("never", {"a": log}, after=["lab/earlier", "lab/hopeless"])
    shared.wait(lambda: shared.tickets(later) and shared.tickets(never), 20, "both are admitted")
    earlier = shared.batch("earlier", {"a": gate.command, "b": log})
    hopeless = shared.batch("hopeless", {"a": "exit 3"})
    gate.wait_begun()
    assert set(shared.tickets(later)) == {State.HELD}
    gate.open()
    assert shared.wait_finished(earlier)[State.DONE] == ["a~1@alpha", "b~1@alpha"]
    assert shared.wait_finished(hopeless) == {State.FAILED: ["a~1@alpha"]}
    assert shared.wait_finished(never) == {State.CANCELLED: ["a~1"]}
    assert sorted(shared.wait_finished(later)[State.DONE]) == ["a~1@alpha", "b~1@alpha"]
    assert (tmp_path / "log").read_text().split() == ["earlier/b", "later/a", "later/b"]

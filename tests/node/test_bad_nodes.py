"""One bad node must not eat a batch, nor one bad job the nodes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from nodewatch.quarantine import IN_A_ROW, QUICK_S, Quarantines
from nodewatch.stopping import REQUEUE_SIGNAL
from spoold.claims import claim
from spoold.codec import encode
from spoold.losses import read_losses
from spoold.records import Outcome
from spoold.tickets import State, Ticket
from tests.lab import Lab, program
from tests.node.gate import Gate

FAILS_ON_BAD = 'test "$DISTRIBUTE_NODE" != bad'


def node_of(lab: Lab, key: str, outcome: Outcome) -> list[str]:
    return [r.node for r in lab.records() if f"{r.namespace}/{r.batch}" == key and r.outcome is outcome]


def knows_better(lab: Lab) -> bool:
    """Whether it is known that the batch fares well elsewhere."""
    return any(not quarantine.provisional for quarantine in lab.status("bad").quarantines)


def test_quarantine(lab: Lab, gate: Gate, tmp_path: Path) -> None:
    lab.steward()
    last = Gate(tmp_path / "last")
    jobs = {"first": {"command": f"{FAILS_ON_BAD} && {{ {gate.command}; }}", "priority": 1}}
    lab.node("good", "--no-steward")
    jobs["last"] = {"command": f"{FAILS_ON_BAD} && {{ {last.command}; }}", "priority": -1}
    key = lab.batch("eaten", {**jobs, **{f"j{n}": f"{FAILS_ON_BAD} && sleep 0.3" for n in range(12)}})
    gate.wait_begun()
    bad = lab.node("bad", "--no-steward")
    # Nobody knows yet how they fare elsewhere; until then it takes no more.
    lab.wait(lambda: lab.status("bad").quarantines, 20, "the node waits")
    (quarantine,) = lab.status("bad").quarantines
    assert (quarantine.namespace, quarantine.batch, quarantine.provisional) == ("lab", "eaten", True)
    lab.wait(lambda: len(lab.tickets(key).get(State.FAILED, ())) == 3, 20, "three have failed")
    # Another batch is none of this.
    lab.spool.layout.node("good").drain.touch()
    lab.wait(lambda: lab.status("good").draining, 20, "good takes no more")
    other = lab.batch("other", {"a": "true"})
    assert lab.wait_finished(other) == {State.DONE: ["a~1@bad"]}
    lab.spool.layout.node("good").drain.unlink()
    lab.wait(lambda: not lab.status("good").draining, 20, "good takes more")
    gate.open()
    lab.wait(lambda: knows_better(lab), 20, "the node is in quarantine")
    # A restart changes nothing.
    assert bad.terminate() == 0
    lab.node("bad", "--no-steward")
    last.open()
    lab.wait_finished(key)
    assert node_of(lab, key, Outcome.FAILED) == ["bad"] * 3
    assert node_of(lab, key, Outcome.DONE) == ["good"] * 11
    lab.wait(lambda: not lab.status("bad").quarantines, 20, "it ends with the batch")


def test_lifted_by_hand(lab: Lab, gate: Gate, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    works = f"test -e {mended} || {FAILS_ON_BAD}"
    lab.steward()
    first = {"first": {"command": "true", "priority": 2}, "held": {"command": gate.command, "priority": 1}}
    key = lab.batch("mended", {**first, **{f"j{n}": works for n in range(9)}})
    lab.node("good", "--no-steward")
    gate.wait_begun()
    lab.node("bad", "--no-steward")
    lab.wait(lambda: lab.status("bad").quarantines, 20, "the node is in quarantine")
    lab.wait(lambda: knows_better(lab), 20, "and that isn't provisional")
    mended.touch()
    clear = [program("distribute"), "--spool", str(lab.spool.root), "nodes", "--clear", "bad"]
    done = subprocess.run(clear, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    lab.wait(lambda: len(lab.tickets(key).get(State.DONE, [])) == 7, 20, "the node does the rest")
    assert not lab.spool.layout.node("bad").clear.exists()
    gate.open()
    tickets = lab.wait_finished(key)
    assert len(tickets[State.FAILED]) == 3
    assert sorted(node_of(lab, key, Outcome.DONE)) == ["bad"] * 6 + ["good"] * 2


@pytest.mark.parametrize("end", ["dies", "drains"])
def test_a_batch_goes_on_when_the_good_node_takes_no_more(quick: Lab, gate: Gate, end: str) -> None:
    """It had done one job well, and its lease or its daemon still stands there."""
    quick.steward()
    first = {"first": {"command": "true", "priority": 2}, "held": {"command": gate.command, "priority": 1}}
    key = quick.batch("left", {**first, **{f"j{n}": f"{FAILS_ON_BAD} && sleep 100" for n in range(5)}})
    good = quick.node("good", "--no-steward")
    gate.wait_begun()
    quick.spool.layout.node("good").drain.touch()
    quick.wait(lambda: quick.status("good").draining, 10, "good takes no more")
    gate.open()
    quick.wait(lambda: len(quick.tickets(key).get(State.DONE, [])) == 2, 10, "it has done two jobs")
    if end == "dies":
        good.freeze()
        page = encode(replace(quick.status("good"), draining=False))
        quick.spool.ops.replace(quick.spool.layout.node("good").running, page)
    quick.node("bad", "--no-steward", ready=False)
    tickets = quick.wait_finished(key)
    assert (len(tickets[State.DONE]), len(tickets[State.FAILED])) == (2, 5)


@pytest.mark.parametrize(("wall_s", "blamed"), [(QUICK_S - 1.0, True), (QUICK_S + 1.0, False)])
def test_only_jobs_that_fail_within_seconds_speak_against_their_node(wall_s: float, blamed: bool) -> None:
    quarantines = Quarantines(())
    notes = [quarantines.note("ns/b", True, wall_s) for _ in range(IN_A_ROW)]
    assert notes == [False] * (IN_A_ROW - 1) + [blamed]
    assert bool(quarantines.standing()) == blamed


def test_where_all_fails_nobody_is_blamed(lab: Lab) -> None:
    key = lab.batch("broken", {f"j{n}": "false" for n in range(8)})
    lab.node("alpha")
    assert len(lab.wait_finished(key)[State.FAILED]) == 8


def test_where_many_jobs_fail_the_batch_ends(lab: Lab, tmp_path: Path) -> None:
    """Each node did some well and then failed in a row: none of them waits for the other."""
    lab.steward()
    both = (
        f"cd {tmp_path}; touch on.$DISTRIBUTE_NODE; until test -e on.alpha -a -e on.beta; do sleep 0.05; done"
    )
    good = {f"good{n}": {"command": both, "priority": 1} for n in range(4)}
    key = lab.batch("half-bad", good | {f"bad{n:02}": "false" for n in range(14)})
    for name in ("alpha", "beta"):
        lab.node(name, "--no-steward", ready=False)
    tickets = lab.wait_finished(key)
    assert (len(tickets[State.DONE]), len(tickets[State.FAILED])) == (4, 14)
    assert set(node_of(lab, key, Outcome.DONE)) == {"alpha", "beta"}


def test_a_node_alone_is_in_no_quarantine(lab: Lab, gate: Gate) -> None:
    """The other one, which did well, was stopped: somebody must do the rest."""
    lab.steward()
    first = {"first": {"command": "true", "priority": 1}}
    key = lab.batch("left", first | {f"j{n}": f"{FAILS_ON_BAD} && {{ {gate.command}; }}" for n in range(6)})
    good = lab.node("good", "--no-steward")
    gate.wait_begun()
    good.process.send_signal(REQUEUE_SIGNAL)
    assert good.wait() == 0
    lab.node("bad", "--no-steward", ready=False)
    assert len(lab.wait_finished(key)[State.FAILED]) == 6


def test_a_job_that_kills_its_nodes(quick: Lab, gate: Gate) -> None:
    quick.steward()
    key = quick.batch(
        "killer", {"a": {"command": gate.command, "retries": 5}, "b": {"command": "true", "depends": ["a"]}}
    )
    for number in (1, 2, 3):
        node = quick.node(f"n{number}", "--no-steward")
        gate.wait_begun(number)
        node.kill_with_jobs()
    assert quick.wait_finished(key) == {State.FAILED: ["a~3"], State.CANCELLED: ["b~1"]}
    place = quick.place(key)
    assert place
    assert [str(loss.ticket) for loss in read_losses(quick.spool, place)] == ["a~1@n1", "a~2@n2", "a~3@n3"]
    assert list(quick.records()) == []


def test_a_claim_that_its_node_doesnt_know_of(lab: Lab) -> None:
    """As after a rename whose answer was lost: the living node gives it back."""
    lab.steward()
    lab.node("alpha", "--no-steward")
    lab.spool.layout.node("alpha").drain.touch()
    lab.wait(lambda: lab.status("alpha").draining, 20, "it takes none")
    key = lab.batch("stray", {"a": "true"})
    lab.wait_state(key, "a", State.PENDING)
    place = lab.place(key)
    assert place
    assert claim(lab.spool, place, Ticket("a", 1), "alpha")
    lab.wait_state(key, "a", State.PENDING)
    lab.spool.layout.node("alpha").drain.unlink()
    assert lab.wait_finished(key) == {State.DONE: ["a~2@alpha"]}

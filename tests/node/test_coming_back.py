"""A node that was thought dead comes back before anybody began its jobs again: nothing is thrown away."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from spoold.losses import Loss, LossCause, read_losses
from spoold.tickets import State, Ticket
from tests.lab import Daemon, Lab
from tests.node.gate import Gate
from tests.support import wait_until

A1 = Ticket("a", 1, "alpha")


def test_with_its_job_still_running(quick: Lab, gate: Gate) -> None:
    steward = quick.steward()
    key = quick.batch("slept", {"a": gate.command})
    alpha = quick.node("alpha", "--no-steward")
    gate.wait_begun()
    alpha.freeze()
    quick.wait_state(key, "a", State.PENDING)
    alpha.thaw()
    quick.wait(lambda: quick.tickets(key) == {State.CLAIMED: ["a~2@alpha"]}, 20, "it is alpha's again")
    # It is watched as that attempt: its output, and after a restart too.
    live = quick.spool.layout.node("alpha").log(*key.split("/"), Ticket("a", 2), "stdout")
    quick.wait(lambda: live.exists() and live.read_text() == "begun\n", 20, "its output is live")
    quick.wait(lambda: [job.attempt for job in quick.status("alpha").jobs] == [2], 20, "it is told")
    # However long the next daemon takes to come: nobody counts that time.
    steward.freeze()
    alpha.kill()
    quick.node("alpha", "--no-steward")
    steward.thaw()
    gate.open()
    assert quick.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert gate.log == ["a~1"]
    assert [(r.attempt, r.node) for r in quick.records()] == [(2, "alpha")]
    assert quick.text(key, "a", "stdout.txt") == "begun\nended\n"
    place = quick.place(key)
    assert place
    assert read_losses(quick.spool, place) == [Loss(A1, LossCause.LOST)]
    wait_until(lambda: not alpha.attempts(), what="the disk is tidy")


def test_while_no_daemon_was_there(quick: Lab, gate: Gate, tmp_path: Path) -> None:
    """One job still runs, another has ended well, a third badly: only the third is done again."""
    ends = Gate(tmp_path / "ends")
    fails = Gate(tmp_path / "fails")
    quick.steward()
    commands = {"a": gate.command, "b": ends.command, "c": f"{fails.command}; test $DISTRIBUTE_ATTEMPT -gt 1"}
    daemons = {}
    for job, command in commands.items():
        quick.batch(job, {"a": command})
        daemons[job] = quick.node(f"n{job}", "--no-steward")
        (gate, ends, fails)["abc".index(job)].wait_begun()
    for daemon in daemons.values():
        daemon.kill()
    ends.open()
    fails.open()
    for job in "bc":
        wait_until((daemons[job].attempts()[0] / "exit.json").exists)
    for job in "abc":
        quick.wait_state(f"lab/{job}", "a", State.PENDING)
    for job in "abc":
        quick.node(f"n{job}", "--no-steward")
        quick.wait(lambda job=job: quick.state(f"lab/{job}", "a") is not State.PENDING, 20, f"{job} is taken")
    gate.open()
    for job in "abc":
        quick.wait_finished(f"lab/{job}")
    assert gate.log == ["a~1"]
    assert ends.log == ["a~1"]
    assert fails.log == ["a~1", "a~2"]
    assert sorted((r.batch, r.attempt) for r in quick.records()) == [("a", 2), ("b", 2), ("c", 2)]


def test_with_a_result_to_publish(quick: Lab, gate: Gate) -> None:
    quick.steward()
    key = quick.batch("late", {"a": gate.command})
    stopping = (sys.executable, str(Path(__file__).with_name("dying.py")), "freeze rename publishing/a~1")
    alpha = quick.node("alpha", "--no-steward", before=stopping)
    gate.open()
    quick.wait(lambda: quick.tickets(key) == {State.PENDING: ["a~2"]}, 20, "it was given back")
    alpha.thaw()
    assert quick.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert gate.log == ["a~1"]
    assert [(r.attempt, r.node) for r in quick.records()] == [(2, "alpha")]
    staging = quick.spool.layout.staging_root
    wait_until(lambda: not list(staging.glob("*/*/*")), what="nothing is left in staging")


def test_whose_job_a_steward_gives_back_that_stood_still(quick: Lab, gate: Gate) -> None:
    """It had found the node dead before that came back; nobody tells the node, so it looks."""
    freezing = (sys.executable, str(Path(__file__).with_name("dying.py")), "freeze rename pending/a~2")
    steward = quick.steward(before=freezing)
    key = quick.batch("late", {"a": gate.command})
    alpha = quick.node("alpha", "--no-steward")
    gate.wait_begun()
    alpha.freeze()
    wait_until(lambda: is_stopped(steward), what="the steward stands before the rename")
    alpha.thaw()
    alpha.wait_for("the lease is ours again")
    quick.wait(lambda: not quick.status("alpha").troubles, 10, "alpha works on")
    assert quick.tickets(key) == {State.CLAIMED: ["a~1@alpha"]}
    steward.thaw()
    quick.wait(lambda: quick.tickets(key) == {State.CLAIMED: ["a~2@alpha"]}, 10, "it is alpha's again")
    gate.open()
    assert quick.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert gate.log == ["a~1"]


def is_stopped(daemon: Daemon) -> bool:
    return "State:\tT" in Path(f"/proc/{daemon.pid}/status").read_text()


def test_with_its_ticket_still_its_own(quick: Lab, gate: Gate) -> None:
    """Somebody removed its lease: it takes that again, and goes on as it was."""
    quick.steward()
    key = quick.batch("own", {"a": gate.command})
    alpha = quick.node("alpha", "--no-steward")
    gate.wait_begun()
    quick.spool.layout.node("alpha").lease.unlink()
    alpha.wait_for("the lease is ours again")
    quick.wait(lambda: not quick.status("alpha").troubles, 10, "alpha works on")
    gate.open()
    assert quick.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    assert gate.log == ["a~1"]
    place = quick.place(key)
    assert place
    assert read_losses(quick.spool, place) == []


def test_a_spool_that_is_slow_kills_no_job(quick: Lab, gate: Gate) -> None:
    """A look at it takes longer than a lease: the node lives all the same, and its job is its own."""
    quick.steward()
    key = quick.batch("slow", {"a": gate.command})
    slow = (sys.executable, str(Path(__file__).with_name("slow.py")), "0.4")
    alpha = quick.node("alpha", "--no-steward", before=slow, ready=False)
    gate.wait_begun()
    beta = quick.node("beta", "--no-steward")
    begun_s = time.monotonic()
    wait_until(lambda: time.monotonic() - begun_s > 4 * quick.settings.lease_s)
    assert quick.tickets(key) == {State.CLAIMED: ["a~1@alpha"]}
    gate.open()
    assert quick.wait_finished(key, 60) == {State.DONE: ["a~1@alpha"]}
    assert gate.log == ["a~1"]
    assert "lost" not in alpha.said + beta.said

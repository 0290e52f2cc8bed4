"""Kills: of a batch and of a job, while it waits, while it is built and while it runs."""

from __future__ import annotations

from spoold.records import Outcome
from spoold.tickets import State
from tests.lab import Lab
from tests.support import wait_until

STAY = "echo begun; echo 1 > distribute_save/x; setsid sleep 1000 & sleep 1000"


def wait_begun(lab: Lab, key: str, job: str = "a") -> None:
    """Until the job's output has reached the spool."""
    log = lab.spool.layout.node("alpha").logs.joinpath(*key.split("/"), f"{job}~1.stdout")
    lab.wait(lambda: log.exists() and "begun" in log.read_text(), 20, f"{key}/{job} has begun")


def test_a_batch_while_one_job_runs(shared: Lab) -> None:
    key = shared.batch("all", {"a": STAY, "b": "true", "c": {"command": "true", "depends": ["b"]}})
    wait_begun(shared, key)
    shared.kill(key, reason="wrong mesh\nand more")
    tickets = shared.wait_finished(key)
    assert sorted(tickets[State.CANCELLED]) == ["a~1@alpha", "b~1", "c~1"]
    record = shared.record(key, "a")
    assert (record.outcome, record.reason) == (Outcome.CANCELLED, "cancelled: wrong mesh")
    assert (shared.text(key, "a", "stdout.txt"), shared.text(key, "a", "x")) == ("begun\n", "1\n")
    assert not shared.living()


def test_one_job_while_it_runs(shared: Lab) -> None:
    key = shared.batch("one", {"a": {"command": STAY, "retries": 3}, "b": "true"})
    wait_begun(shared, key)
    shared.kill(key, "a")
    # It isn't tried again: it didn't fail.
    assert shared.wait_finished(key) == {State.DONE: ["b~1@alpha"], State.CANCELLED: ["a~1@alpha"]}
    assert shared.record(key, "a").reason == "cancelled"


def test_one_job_while_it_waits(shared: Lab) -> None:
    key = shared.batch("waiting", {"a": STAY, "b": "true", "c": "true"})
    wait_begun(shared, key)
    shared.kill(key, "b")
    shared.wait_state(key, "b", State.CANCELLED)
    shared.kill(key, "a")
    tickets = shared.wait_finished(key)
    assert tickets == {State.DONE: ["c~1@alpha"], State.CANCELLED: ["a~1@alpha", "b~1"]}


def test_a_batch_while_it_is_built(shared: Lab) -> None:
    key = shared.batch("built", {"a": "true", "b": "true"}, build="setsid sleep 1000 & sleep 1000")
    shared.wait(lambda: shared.phase("alpha") == "building", 20, "it is being built")
    shared.kill(key, reason="never mind")
    tickets = shared.wait_finished(key)
    assert {ticket.partition("~")[0] for ticket in tickets[State.CANCELLED]} == {"a", "b"}
    assert not shared.living()
    # The node isn't blamed.
    assert not list(shared.place(key).builds.iterdir())
    after = shared.batch("after", {"a": "true"})
    assert shared.wait_finished(after) == {State.DONE: ["a~1@alpha"]}
    assert not shared.status("alpha").troubles


def test_a_folder_where_a_mark_goes_keeps_no_kill_from_being_heard(shared: Lab) -> None:
    clear = shared.spool.layout.node("alpha").clear
    clear.mkdir()
    (clear / "full").touch()
    key = shared.batch("heard", {"a": STAY})
    wait_begun(shared, key)
    shared.kill(key)
    assert shared.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}
    (clear / "full").unlink()
    wait_until(lambda: not clear.exists(), what="an empty folder goes as a mark does")


def test_a_paused_job_has_its_grace(shared: Lab) -> None:
    """The pause goes on, and holds it up no more."""
    saves = "sleep 1; echo saved > distribute_save/seen; exit 3"
    waits = f"trap '{saves}' TERM; touch distribute_save/up; while :; do sleep 0.1; done"
    key = shared.batch("paused", {"a": waits})
    scratch = shared.daemons[0].scratch
    wait_until(lambda: list(scratch.glob(f"work/{key}*/distribute_save/up")), what="it is up")
    (scratch / "pause").touch()
    shared.wait(lambda: shared.phase("alpha") == "paused", 20, "it is paused")
    shared.kill(key)
    assert shared.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}
    (scratch / "pause").unlink()
    assert shared.text(key, "a", "seen") == "saved\n"
    assert shared.record(key, "a").exit_code == 3

"""Daemons that end or are killed while they build, run and upload: every job ends once, with all that it left."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from spoold.losses import Loss, LossCause, read_losses
from spoold.records import Outcome
from spoold.tickets import State, Ticket
from tests.lab import FAST, Daemon, Lab
from tests.node.gate import Gate
from tests.support import wait_until


def test_a_job_outlives_its_daemons(lab: Lab, gate: Gate) -> None:
    """One daemon is told to end, one is killed; the job ends while there is none."""
    lab.steward()
    key = lab.batch("long", {"a": f"python3 -c 'sum(range(10**7))'; {gate.command}; exit 3"})
    first = lab.node("alpha", "--no-steward")
    gate.wait_begun()
    lab.wait(lambda: lab.phase("alpha") == "running", 20, "it tells of its job")
    (job,) = lab.status("alpha").jobs
    assert job.started_at is not None
    assert not lab.status("alpha").leaving
    assert first.terminate() == 0
    told = lab.status("alpha")
    assert (told.leaving, told.jobs[0].started_at) == (True, job.started_at)
    second = lab.node("alpha", "--no-steward", ready=False)
    second.wait_for("adopting lab/long/a~1@alpha")
    lab.wait(lambda: not lab.status("alpha").leaving, 20, "the next daemon tells of itself")
    lab.wait(lambda: lab.phase("alpha") == "running", 20, "it is running again")
    assert lab.status("alpha").jobs[0].started_at == job.started_at
    second.kill()
    gate.open()
    run = first.attempts()[0]
    wait_until((run / "exit.json").exists)
    assert lab.tickets(key) == {State.CLAIMED: ["a~1@alpha"]}
    lab.node("alpha", "--no-steward", ready=False)
    assert lab.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    assert gate.log == ["a~1"]
    record = lab.record(key, "a")
    assert (record.exit_code, record.reason) == (3, "exit code 3")
    assert record.started_at == job.started_at
    assert record.user_cpu_s > 0.05
    assert record.wall_s > record.user_cpu_s / 2
    assert (lab.text(key, "a", "stdout.txt"), lab.text(key, "a", "x")) == ("begun\nended\n", "1\n")


def test_a_lost_job_is_done_again(quick: Lab, gate: Gate) -> None:
    """Its restarted daemon knows at once; if there is none, another node does it after the lease."""
    steward = quick.steward()
    key = quick.batch("lost", {"a": gate.command})
    alpha = quick.node("alpha", "--no-steward")
    gate.wait_begun()
    # Nobody else sees that it is gone: only its own next daemon can know.
    steward.freeze()
    alpha.kill_with_jobs()
    assert not quick.living()
    alpha = quick.node("alpha", "--no-steward", ready=False)
    gate.wait_begun(2)
    steward.thaw()
    assert quick.tickets(key) == {State.CLAIMED: ["a~2@alpha"]}
    alpha.kill_with_jobs()
    quick.node("beta", "--no-steward")
    gate.wait_begun(3)
    gate.open()
    assert quick.wait_finished(key) == {State.DONE: ["a~3@beta"]}
    assert gate.log == ["a~1", "a~2", "a~3"]
    assert [(r.attempt, r.node) for r in quick.records()] == [(3, "beta")]
    # What alpha still has of it is nobody's when it comes back.
    alpha = quick.node("alpha", "--no-steward")
    wait_until(lambda: not alpha.attempts())


def test_a_node_that_was_asleep_is_fenced(quick: Lab, gate: Gate) -> None:
    """Its job was given to another node: it throws its own away, and then takes part again."""
    quick.steward()
    key = quick.batch("slept", {"a": gate.command})
    alpha = quick.node("alpha", "--no-steward")
    gate.wait_begun()
    alpha.freeze()
    quick.node("beta", "--no-steward")
    gate.wait_begun(2)
    alpha.thaw()
    # It needn't be told: its job isn't its own any more, and ends although nobody let it go.
    wait_until(lambda: not alpha.attempts(), what="alpha has let go of its attempt")
    assert {command for _, command in quick.living() if "/scratch/alpha/" in command} == set()
    assert quick.tickets(key) == {State.CLAIMED: ["a~2@beta"]}
    gate.open()
    assert quick.wait_finished(key) == {State.DONE: ["a~2@beta"]}
    assert [(r.attempt, r.node) for r in quick.records()] == [(2, "beta")]
    quick.spool.layout.node("beta").drain.touch()
    quick.wait(lambda: quick.status("beta").draining, 20, "beta drains")
    again = quick.batch("awake", {"a": "true"})
    assert quick.wait_finished(again) == {State.DONE: ["a~1@alpha"]}


def test_a_build_outlives_its_daemon(lab: Lab, gate: Gate) -> None:
    """A killed daemon's build is adopted; one that was killed with its build is done anew."""
    lab.steward()
    key = lab.batch("built", {"a": "cat proof"}, build=f"{gate.command}; echo fine > proof")
    alpha = lab.node("alpha", "--no-steward")
    gate.wait_begun()
    alpha.kill_with_jobs()
    alpha = lab.node("alpha", "--no-steward", ready=False)
    gate.wait_begun(2)
    alpha.kill()
    alpha = lab.node("alpha", "--no-steward", ready=False)
    gate.open()
    assert lab.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert gate.log == ["a~1", "a~2"]
    assert lab.text(key, "a", "stdout.txt") == "fine\n"
    assert lab.spool.layout.build_output("lab", "built", "alpha").read_text() == "begun\nended\n"


POINTS = [
    "after rename claimed/",
    "after mkdir .staging/",
    "before copy stdout.txt",
    "after write .job.json",
    "before rename publishing/",
    "after rename publishing/",
    "after rename archive/lab/dies/a",
    "after rename done/",
    "after replace builds/",
]


@pytest.mark.timeout(400)
def test_a_daemon_may_die_at_any_step(lab: Lab, tmp_path: Path) -> None:
    lab.steward()
    for number, point in enumerate(POINTS):
        name = f"dies{number}"
        log = tmp_path / f"{name}.log"
        command = f"echo 1 >> {log}; echo out; mkdir distribute_save/sub; echo 1 > distribute_save/sub/x"
        key = lab.batch(name, {"a": command}, build="echo building")
        dying = (sys.executable, str(Path(__file__).with_name("dying.py")), point.replace("dies", name))
        died = lab.node("alpha", "--no-steward", before=dying, ready=False)
        assert died.wait() == -9, f"{point} never came:\n{died.said}"
        successor = lab.node("alpha", "--no-steward", ready=False)
        tickets = lab.wait_finished(key)
        # Only a node that died between its claim and the first trace of it on its disk gives it back.
        lost = point == "after rename claimed/"
        assert tickets == {State.DONE: ["a~2@alpha" if lost else "a~1@alpha"]}, point
        assert log.read_text() == "1\n", f"{point}: it ran once"
        record = lab.record(key, "a")
        assert record.outcome is Outcome.DONE
        assert sorted(file.path for file in record.files) == ["stderr.txt", "stdout.txt", "sub/x"]
        assert (lab.text(key, "a", "stdout.txt"), lab.text(key, "a", "sub/x")) == ("out\n", "1\n")
        assert lab.spool.layout.build_output("lab", name, "alpha").read_text() == "building\n"
        wait_until(lambda node=successor: not node.attempts(), what=f"{point}: the disk is tidy")
        assert successor.terminate() == 0


def test_a_run_that_began_although_its_launch_failed_is_gone_on_with(lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / "log"
    deaf = (sys.executable, str(Path(__file__).with_name("deaf.py")))
    lab.node("alpha", before=deaf)
    build = f"echo build >> {log}; sleep 0.3"
    commands = {"slow": f"sleep 0.5; echo slow >> {log}", "quick": f"echo quick >> {log}"}
    key = lab.batch("deaf", commands, build=build)
    assert lab.wait_finished(key) == {State.DONE: ["quick~1@alpha", "slow~1@alpha"]}
    assert sorted(log.read_text().split()) == ["build", "quick", "slow"], "each ran once"


def reboot(daemon: Daemon) -> None:
    """What stands on the disk counts as of an earlier boot from now on."""
    now = Path("/proc/sys/kernel/random/boot_id").read_text().strip().encode()
    pages = [
        page for folder in daemon.attempts() for page in folder.glob("*.json") if now in page.read_bytes()
    ]
    assert pages
    for page in pages:
        page.write_bytes(page.read_bytes().replace(now, b"0" * len(now)))


def test_a_machine_that_was_started_anew_gives_its_jobs_back_at_once(tmp_path: Path, gate: Gate) -> None:
    """It knows its own lease, by whatever name the machine goes now."""
    with Lab(tmp_path / "lab", replace(FAST, lease_s=60.0)) as lab:
        lab.steward()
        key = lab.batch("off", {"a": gate.command})
        alpha = lab.node("alpha", "--no-steward")
        gate.wait_begun()
        alpha.kill_with_jobs()
        reboot(alpha)
        posing = (sys.executable, str(Path(__file__).with_name("posing.py")), "renamed")
        again = lab.node("alpha", "--no-steward", before=posing, ready=False)
        gate.wait_begun(2)
        assert "waiting" not in again.said
        gate.open()
        assert lab.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
        place = lab.place(key)
        assert place
        assert read_losses(lab.spool, place) == [Loss(Ticket("a", 1, "alpha"), LossCause.LOST)]


def test_a_result_of_an_earlier_boot_isnt_trusted(lab: Lab, gate: Gate) -> None:
    """The record says that it is done; nobody knows what a power failure left of the rest."""
    lab.steward()
    key = lab.batch("off", {"a": gate.command})
    alpha = lab.node("alpha", "--no-steward")
    gate.wait_begun()
    alpha.kill()
    gate.open()
    (run,) = alpha.attempts()
    wait_until((run / "exit.json").exists)
    (run / "stdout.txt").write_text("")
    reboot(alpha)
    lab.node("alpha", "--no-steward", ready=False)
    assert lab.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert gate.log == ["a~1", "a~2"]
    assert lab.text(key, "a", "stdout.txt") == "begun\nended\n"


def test_a_result_that_waits_for_the_spool_outlives_a_reboot(lab: Lab, gate: Gate) -> None:
    lab.steward()
    key = lab.batch("off", {"a": gate.command})
    alpha = lab.node("alpha", "--no-steward")
    gate.wait_begun()
    lab.spool.layout.staging_root.write_text("")
    gate.open()
    alpha.wait_for("can't be archived")
    (run,) = alpha.attempts()
    wait_until((run / "flushed").exists)
    alpha.kill()
    reboot(alpha)
    lab.spool.layout.staging_root.unlink()
    lab.node("alpha", "--no-steward", ready=False)
    assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    assert gate.log == ["a~1"]

"""``nodewatch --stop``, with and without ``--requeue``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from spoold.losses import read_losses
from spoold.tickets import State
from tests.lab import Daemon, Lab, program
from tests.node.gate import Gate
from tests.support import wait_until


def stop(lab: Lab, daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [
        program("nodewatch"), "--spool", str(lab.spool.root), "--name", daemon.name,
        "--scratch", str(daemon.scratch), *arguments,
    ]  # fmt: skip
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_the_job_runs_on(lab: Lab, gate: Gate) -> None:
    lab.steward()
    key = lab.batch("on", {"a": gate.command})
    alpha = lab.node("alpha", "--no-steward")
    gate.wait_begun()
    done = stop(lab, alpha, "--stop")
    # A busy machine's user is first told what is waited for.
    assert done.returncode == 0
    assert done.stderr.endswith(f"nodewatch (pid {alpha.pid}) has ended\n")
    assert alpha.wait() == 0
    again = stop(lab, alpha, "--stop")
    assert (again.returncode, again.stderr) == (0, f"no nodewatch runs with {alpha.scratch}\n")
    assert lab.tickets(key) == {State.CLAIMED: ["a~1@alpha"]}
    lab.node("alpha", "--no-steward")
    gate.open()
    assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha"]}


def test_jobs_are_given_back(lab: Lab, gate: Gate) -> None:
    """By a living daemon, and by none; neither counts against the job."""
    lab.steward()
    key = lab.batch("back", {"a": gate.command})
    alpha = lab.node("alpha", "--no-steward")
    gate.wait_begun()
    assert stop(lab, alpha, "--stop", "--requeue").returncode == 0
    assert alpha.wait() == 0
    assert not lab.living()
    assert lab.tickets(key) == {State.PENDING: ["a~2"]}
    assert not lab.spool.layout.node("alpha").lease.exists()

    alpha = lab.node("alpha", "--no-steward")
    gate.wait_begun(2)
    waiting = lab.batch("waits", {"a": "true"})
    lab.wait_state(waiting, "a", State.PENDING)
    alpha.kill()
    done = stop(lab, alpha, "--stop", "--requeue", "--no-steward")
    assert done.returncode == 0, done.stderr
    assert not lab.living()
    assert lab.tickets(key) == {State.PENDING: ["a~3"]}
    # It took nothing new.
    assert lab.tickets(waiting) == {State.PENDING: ["a~1"]}
    place = lab.place(key)
    assert place
    assert read_losses(lab.spool, place) == []

    gate.open()
    lab.node("beta", "--no-steward")
    assert lab.wait_finished(key) == {State.DONE: ["a~3@beta"]}
    assert [(r.attempt, r.node) for r in lab.records()].count((3, "beta")) == 1


def test_a_build_is_given_back(lab: Lab, gate: Gate) -> None:
    lab.steward()
    key = lab.batch("built", {"a": "true"}, build=gate.command)
    alpha = lab.node("alpha", "--no-steward")
    gate.wait_begun()
    assert stop(lab, alpha, "--stop", "--requeue").returncode == 0
    assert lab.tickets(key) == {State.PENDING: ["a~2"]}
    wait_until(lambda: not lab.living())
    # The node isn't blamed: it may build it later.
    place = lab.place(key)
    assert place
    assert not list(place.builds.iterdir())
    gate.open()
    lab.node("alpha", "--no-steward")
    assert lab.wait_finished(key) == {State.DONE: ["a~2@alpha"]}


def test_requeue_alone_says_nothing_sensible(lab: Lab) -> None:
    done = subprocess.run(
        [program("nodewatch"), "--spool", str(lab.spool.root), "--requeue"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--requeue says how to --stop; use both" in done.stderr


def test_a_daemon_that_still_waits_for_its_lease(quick: Lab, gate: Gate) -> None:
    """It ends and has given nothing back: then whoever told it does that."""
    key = quick.batch("waits", {"a": gate.command})
    posing = (sys.executable, str(Path(__file__).with_name("posing.py")), "elsewhere")
    quick.node("alpha", before=posing).wait_for("admitted")
    gate.wait_begun()
    quick.daemons[-1].kill()
    # Without it nobody knows that this was its daemon, and that it is gone.
    (quick.daemons[-1].scratch / "lease-token").unlink()
    waiting = quick.node("alpha", "--no-steward", ready=False)
    waiting.wait_for("waiting")
    done = stop(quick, waiting, "--stop", "--requeue", "--no-steward")
    assert done.returncode == 0, done.stderr
    assert f"nodewatch (pid {waiting.pid}) has ended" in done.stderr
    assert not quick.living()
    assert quick.tickets(key) == {State.PENDING: ["a~2"]}

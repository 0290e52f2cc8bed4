"""Pausing by a touch in scratch or in the spool, draining, and what a restart of the daemon changes: nothing."""

from __future__ import annotations

import getpass
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spoold.spool import Settings
from spoold.tickets import State
from tests.lab import Daemon, Lab
from tests.node.gate import Gate
from tests.node.measuring import cpu_ticks, grows, ticks_of
from tests.support import find_runs, wait_until

BURNERS = Path(__file__).with_name("burners.py")
BUSY = "echo begun; python3 -S -c 'while True: pass' & while ! test -e {go}; do :; done; echo ended"


def works(lab: Lab, within_s: float = 20.0) -> bool:
    """Whether the jobs use any CPU time within that time."""
    return grows(lambda: cpu_ticks(lab.folder), within_s)


def wait_paused(lab: Lab, node: Daemon) -> float:
    """Until nothing runs any more; returns how many seconds that took."""
    begin_s = time.monotonic()
    wait_until(lambda: not works(lab, 0.5), every_s=0.0, what=f"the jobs of {node.name} stand still")
    return time.monotonic() - begin_s


def test_pauses(lab: Lab, tmp_path: Path) -> None:
    steward = lab.steward()
    node = lab.node("alpha", "--no-steward")
    go = tmp_path / "go"
    key = lab.batch("busy", {"a": BUSY.format(go=go), "b": "true"})
    wait_until(lambda: len(lab.living()) == 2 and works(lab))

    here = node.scratch / "pause"
    here.touch()
    took_s = [wait_paused(lab, node)]
    lab.wait(lambda: lab.phase("alpha") == "paused", 20, "it says so")
    status = lab.status("alpha")
    me = getpass.getuser()
    assert status.paused_by == status.jobs[0].paused_by == f"scratch (touched by {me})"
    assert status.jobs[0].paused_until == status.paused_until
    assert status.paused_until is not None
    assert 3500 < status.paused_until - status.written_at <= 3601

    # A restart changes nothing; nor is anything else claimed meanwhile.
    since = status.jobs[0].since
    assert node.terminate() == 0
    node = lab.node("alpha", "--no-steward", ready=False)
    node.wait_for("adopting")
    lab.wait(lambda: lab.phase("alpha") == "paused", 20, "it is still paused")
    assert lab.status("alpha").jobs[0].since == since
    assert not works(lab, 0.5)
    assert lab.tickets(key)[State.PENDING] == ["b~1"]
    here.unlink()
    assert works(lab)
    lab.wait(lambda: lab.status("alpha").paused_until is None, 20, "it says so")

    # It ends by itself, and its file with it.
    here.write_text("3s")
    took_s.append(wait_paused(lab, node))
    wait_until(lambda: not here.exists())
    assert works(lab)

    # The other door; a strange content pauses all the same, and is told.
    there = lab.spool.layout.node("alpha").pause
    private = there.with_name(".pause")
    private.write_text("1 fortnight")
    os.rename(private, there)
    lab.wait(lambda: lab.phase("alpha") == "paused", 20, "it is paused")
    took_s.append(wait_paused(lab, node))
    assert min(took_s) < 2.0, "at most a second after the touch, unless the machine is busy"
    assert f"touched by {me}; '1 fortnight' is not a duration" in lab.status("alpha").paused_by
    assert lab.status("alpha").paused_by.startswith("spool")
    # What runs is stopped for good while it is paused.
    go.touch()
    lab.kill(key, "a")
    lab.wait_state(key, "a", State.CANCELLED)
    assert not lab.living()
    assert not works(lab, 0.5)
    assert lab.tickets(key)[State.PENDING] == ["b~1"]
    there.unlink()
    assert lab.wait_finished(key) == {State.DONE: ["b~1@alpha"], State.CANCELLED: ["a~1@alpha"]}
    assert steward.terminate() == 0


def test_drain(shared: Lab, tmp_path: Path) -> None:
    """What runs goes on; nothing new is taken."""
    go = tmp_path / "go"
    key = shared.batch("drained", {"a": BUSY.format(go=go), "b": "true"})
    wait_until(lambda: len(shared.living()) == 2)
    drain = shared.spool.layout.node("alpha").drain
    drain.touch()
    shared.wait(lambda: shared.status("alpha").draining, 20, "it says so")
    assert works(shared)
    go.touch()
    shared.wait_state(key, "a", State.DONE)
    later = shared.batch("later", {"a": "true"})
    shared.wait_state(later, "a", State.PENDING)
    assert shared.tickets(key)[State.PENDING] == ["b~1"]
    drain.unlink()
    assert shared.wait_finished(key) == {State.DONE: ["a~1@alpha", "b~1@alpha"]}
    shared.wait_finished(later)


def test_an_idle_node_that_was_paused_takes_nothing(tmp_path: Path) -> None:
    """It looks seldom while it has nothing to do; but before it claims, it looks whether it may."""
    settings = Settings(settle_s=0.2, rescan_s=2.0)
    with Lab(tmp_path / "lab", settings) as lab:
        steward = lab.steward()
        lab.node("alpha", "--no-steward")
        pause = lab.spool.layout.node("alpha").pause
        begun = tmp_path / "begun"
        # Its last look is by now as long ago as it gets.
        wait_until(lambda: time.time() - lab.status("alpha").written_at > 3 * settings.rescan_s)
        pause.touch()
        key = lab.batch("early", {"a": f"touch {begun}"})
        lab.wait(lambda: lab.status("alpha").paused_by, 20.0, "it says that it is paused")
        lab.wait_state(key, "a", State.PENDING)
        assert not begun.exists()
        pause.unlink()
        lab.wait_state(key, "a", State.DONE)
        assert steward.terminate() == 0


def test_a_job_that_is_paused_by_name_is_not_begun(lab: Lab, gate: Gate) -> None:
    """The node goes on with the others."""
    lab.steward()
    node = lab.node("alpha", "--no-steward")
    (node.scratch / "pause").write_text("lab/some/a")
    key = lab.batch("some", {"a": gate.command, "b": "true", "c": "true"})
    for job in ("b", "c"):
        lab.wait_state(key, job, State.DONE)
    assert lab.state(key, "a") is State.PENDING
    assert (lab.status("alpha").paused_until, gate.log) == (None, [])
    (node.scratch / "pause").unlink()
    gate.wait_begun()
    # Now it stands still, and the node with its only slot; which isn't paused for all that.
    (node.scratch / "pause").write_text("a 30m")
    lab.wait(lambda: lab.phase("alpha") == "paused", 5, "it is paused")
    status = lab.status("alpha")
    assert status.jobs[0].paused_by.startswith("scratch (touched by ")
    assert status.jobs[0].paused_until is not None and status.paused_until is None
    assert 1700 < status.jobs[0].paused_until - status.written_at <= 1801
    gate.open()
    (node.scratch / "pause").write_text("30m lab/some/b")
    assert State.PENDING not in lab.wait_finished(key)


TRIES, NODES = 100, 2


@pytest.mark.slow
def test_every_pause_freezes_within_a_second(lab: Lab, tmp_path: Path) -> None:
    """A hundred of a hundred, with sessions of their own and double forks; and each resume is as quick."""
    lab.steward()
    nodes = [lab.node(f"n{number}", "--no-steward") for number in range(NODES)]
    jobs = {f"j{n}": f"exec {sys.executable} -S {BURNERS} {tmp_path}/begun{n}" for n in range(NODES)}
    lab.batch("burning", jobs)
    wait_until(lambda: len(list(tmp_path.glob("begun*"))) == NODES)
    with ThreadPoolExecutor(NODES) as pool:
        delays_s = [delay_s for found in pool.map(freeze_often, nodes) for delay_s in found]
    assert len(delays_s) == TRIES and max(delays_s) <= 1.0, sorted(delays_s)[-5:]


def freeze_often(node: Daemon) -> list[float]:
    """For each pause, seconds until the last CPU time was used."""
    pids = [pid for pid, _ in find_runs(node.scratch)]
    assert len(pids) == 3
    return [freeze_once(node.scratch / "pause", pids) for _ in range(TRIES // NODES)]


def freeze_once(pause: Path, pids: list[int]) -> float:
    def ticks() -> int:
        return sum(map(ticks_of, pids))

    wait_until(lambda: grows(ticks, 0.5), 2.0, every_s=0.0, what="they burn")
    begun_s = time.monotonic()
    pause.touch()
    moved_s, seen = begun_s, ticks()
    # What still runs on a machine that has better things to do may lie still for a moment too.
    while (now_s := time.monotonic()) - moved_s < (0.25 if moved_s > begun_s else 1.0):
        time.sleep(0.01)
        if (now := ticks()) != seen:
            moved_s, seen = now_s, now
        assert moved_s - begun_s < 3.0, "they go on all the same"
    pause.unlink()
    return moved_s - begun_s

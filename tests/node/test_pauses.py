"""Pausing by a touch in scratch or in the spool, draining, and what a restart of the daemon changes: nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

from spoold.spool import Settings
from spoold.tickets import State
from tests.lab import Daemon, Lab
from tests.support import wait_until

BUSY = "echo begun; python3 -S -c 'while True: pass' & while ! test -e {go}; do :; done; echo ended"


def cpu_ticks(lab: Lab) -> int:
    """Of all processes of the lab's jobs."""
    ticks = 0
    for pid, _ in lab.living():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks


def works(lab: Lab, within_s: float) -> bool:
    """Whether the jobs use any CPU time within that time."""
    before = cpu_ticks(lab)
    try:
        wait_until(lambda: cpu_ticks(lab) > before, within_s)
    except AssertionError:
        return False
    return True


def wait_paused(lab: Lab, node: Daemon) -> None:
    """At most a second after the touch nothing runs any more."""
    wait_until(lambda: not works(lab, 0.15), 1.5, every_s=0.0, what=f"the jobs of {node.name} stand still")


def test_pauses(lab: Lab, tmp_path: Path) -> None:
    steward = lab.steward()
    node = lab.node("alpha", "--no-steward")
    go = tmp_path / "go"
    key = lab.batch("busy", {"a": BUSY.format(go=go), "b": "true"})
    wait_until(lambda: len(lab.living()) == 2 and works(lab, 1.0))

    here = node.scratch / "pause"
    here.touch()
    wait_paused(lab, node)
    lab.wait(lambda: lab.phase("alpha") == "paused", 5, "it says so")
    status = lab.status("alpha")
    assert status.paused_by == "scratch"
    assert status.paused_until is not None
    assert 3500 < status.paused_until - status.written_at <= 3601

    # A restart changes nothing; nor is anything else claimed meanwhile.
    since = status.jobs[0].since
    assert node.terminate() == 0
    node = lab.node("alpha", "--no-steward", ready=False)
    node.wait_for("adopting")
    lab.wait(lambda: lab.phase("alpha") == "paused", 5, "it is still paused")
    assert lab.status("alpha").jobs[0].since == since
    assert not works(lab, 0.5)
    assert lab.tickets(key)[State.PENDING] == ["b~1"]
    here.unlink()
    assert works(lab, 2.0)
    lab.wait(lambda: lab.status("alpha").paused_until is None, 5, "it says so")

    # It ends by itself, and its file with it.
    here.write_text("1s")
    wait_paused(lab, node)
    wait_until(lambda: not here.exists(), 5)
    assert works(lab, 2.0)

    # The other door; a strange content pauses all the same, and is told.
    there = lab.spool.layout.node("alpha").pause
    private = there.with_name(".pause")
    private.write_text("1 fortnight")
    os.rename(private, there)
    lab.wait(lambda: lab.phase("alpha") == "paused", 5, "it is paused")
    wait_paused(lab, node)
    assert "not a duration" in lab.status("alpha").paused_by
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
    shared.wait(lambda: shared.status("alpha").draining, 5, "it says so")
    assert works(shared, 1.0)
    go.touch()
    shared.wait_state(key, "a", State.DONE)
    later = shared.batch("later", {"a": "true"})
    shared.wait(lambda: shared.tickets(later), 5, "it is admitted")
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
        assert lab.state(key, "a") is State.PENDING and not begun.exists()
        pause.unlink()
        lab.wait_state(key, "a", State.DONE)
        assert steward.terminate() == 0

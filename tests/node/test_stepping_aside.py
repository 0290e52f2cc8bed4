"""A node makes way for its owner, and outside its hours: real daemons, jobs and terminals."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from spoold.tickets import State
from tests.lab import Daemon, Lab
from tests.node.gate import Gate
from tests.node.test_pauses import BUSY, works
from tests.owner.terminals import open_terminal
from tests.support import wait_until

#: Other terminals of this machine may be in use too: that only makes it last longer.
OWNER = """\
owner:
  start_idle: 3s
  active_within: 1s
  continue_idle: 2s
  max_suspend: {max_suspend}
  sources: [terminal]
"""


def start(lab: Lab, text: str, name: str = "alpha") -> Daemon:
    config = lab.folder / f"{name}.yaml"
    config.write_text(text)
    return lab.node(name, "--config", str(config))


def paused_by(lab: Lab) -> str:
    return lab.status("alpha").paused_by


def test_an_owner_at_a_terminal(lab: Lab, tmp_path: Path) -> None:
    lab.steward()
    with open_terminal() as terminal:
        # As if it had been left hours ago.
        terminal.set_idle(time.time() - 7200)
        node = start(lab, OWNER.format(max_suspend="never"))
        go = tmp_path / "go"
        key = lab.batch("busy", {"a": BUSY.format(go=go), "b": "true"})
        wait_until(lambda: len(lab.living()) == 2 and works(lab, 1.0), 60.0)

        terminal.type()
        wait_until(lambda: not works(lab, 0.3), 10.0, every_s=0.0, what="the job stands still")
        lab.wait(lambda: lab.phase("alpha") == "paused", 5, "it says so")
        status = lab.status("alpha")
        assert status.paused_by == "owner (somebody types in a terminal)"
        assert status.paused_until is not None and status.paused_until - time.time() > 3500

        # A restart changes nothing, as long as the owner is there.
        terminal.type()
        assert node.terminate() == 0
        terminal.type()
        node = start(lab, OWNER.format(max_suspend="never"))
        assert not works(lab, 0.5)
        assert paused_by(lab).startswith("owner")
        assert lab.state(key, "b") is State.PENDING

        # Everybody leaves: it goes on by itself, and then takes the next one.
        wait_until(lambda: works(lab, 0.3), 60.0, what="the job goes on")
        lab.wait(lambda: lab.phase("alpha") == "running", 5, "it says so")
        go.touch()
        assert lab.wait_finished(key, 60.0) == {State.DONE: ["a~1@alpha", "b~1@alpha"]}


def test_nothing_is_taken_until_it_was_unused_for_long(lab: Lab) -> None:
    lab.steward()
    with open_terminal() as terminal:
        text = OWNER.format(max_suspend="never").replace("start_idle: 3s", "start_idle: 1h")
        terminal.set_idle(time.time() - 600)
        start(lab, text)
        key = lab.batch("waits", {"a": "true"}, capabilities=["alpha"])
        lab.wait(lambda: lab.tickets(key), 5, "it is admitted")
        lab.wait(lambda: lab.status("alpha").holding == "used less than 1h ago", 30, "it says why it waits")
        # While another node is started and does a later batch, it looks more than once.
        lab.node("beta")
        lab.wait_finished(lab.batch("later", {"a": "true"}, capabilities=["beta"]))
        assert lab.tickets(key) == {State.PENDING: ["a~1"]}
        assert paused_by(lab) == ""
        terminal.set_idle(time.time() - 7200)
        lab.wait_finished(key)


def test_a_job_that_stood_still_for_too_long(lab: Lab, gate: Gate) -> None:
    """The stance by which it is to be given back."""
    lab.steward()
    with open_terminal() as terminal:
        terminal.set_idle(time.time() - 7200)
        node = start(lab, OWNER.format(max_suspend="1s"))
        lab.batch("evicted", {"a": gate.command})
        gate.wait_begun()
        terminal.type()
        node.wait_for("evict: somebody types in a terminal, for 1s by now")


def hours(begin: datetime, last_hours: int) -> str:
    return f"{begin:%a %H:%M}-{begin + timedelta(hours=last_hours):%H:%M}"


@pytest.mark.parametrize("outside", ["suspend", "finish"])
def test_outside_its_hours(lab: Lab, gate: Gate, outside: str) -> None:
    lab.steward()
    node = start(lab, f'available: "{hours(datetime.now() - timedelta(hours=1), 3)}"\n')
    key = lab.batch("nightly", {"a": gate.command, "b": "true"})
    gate.wait_begun()
    assert node.terminate() == 0

    opens = datetime.now() + timedelta(hours=3)
    start(lab, f'available: "{hours(opens, 3)}"\noutside: {outside}\n')
    if outside == "suspend":
        lab.wait(lambda: lab.phase("alpha") == "paused", 10, "it says so")
        status = lab.status("alpha")
        assert status.paused_by == f"schedule (lent {hours(opens, 3)})"
        assert status.paused_until == pytest.approx(opens.replace(second=0, microsecond=0).timestamp(), abs=1)
        gate.open()
        assert not works(lab, 0.5)
        assert lab.tickets(key) == {State.CLAIMED: ["a~1@alpha"], State.PENDING: ["b~1"]}
    else:
        lab.wait(lambda: lab.status("alpha").holding, 10, "it says so")
        assert paused_by(lab) == ""
        gate.open()
        lab.wait_state(key, "a", State.DONE)
        lab.wait(lambda: lab.status("alpha").jobs == (), 10, "nothing runs")
        assert lab.state(key, "b") is State.PENDING


def test_a_configuration_that_can_t_be_meant(lab: Lab) -> None:
    config = lab.folder / "nodewatch.yaml"
    config.write_text("owner: {start_idel: 5m}\n")
    daemon = lab.node("alpha", "--config", str(config), ready=False)
    assert daemon.wait() == 2
    assert f"error: {config}: owner: unknown key 'start_idel'" in daemon.said
    assert "did you mean start_idle?" in daemon.said

"""Pauses of a node whose owner needs the memory back: jobs end, and go on elsewhere from what they saved."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spoold.records import Outcome
from spoold.sweeping import sweep
from spoold.tickets import State
from tests.lab import FAST, Daemon, Lab
from tests.support import wait_until

COUNTER = Path(__file__).with_name("counter.py")
EVICTING = ("--no-steward", "--pause", "evict")
RESUMING = {"on_evict": "SIGUSR1", "evict_grace": "4s", "resume": True}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Where nobody takes a dead daemon's job away, however slow the machine is."""
    with Lab(tmp_path / "lab", replace(FAST, lease_s=60.0)) as lab:
        yield lab


def submit(lab: Lab, name: str, command: str, wishes: Mapping[str, Any]) -> str:
    """A batch of one job that asks for ``wishes``."""
    return lab.batch(name, {"a": {"command": command, **wishes}})


def counting(folder: Path, to: int, then: str = "") -> str:
    """Counts slowly up to that, and saves where it is when it is told to; also through a shell that waits."""
    return f"{sys.executable} -S {COUNTER} {to} {folder} {then}; exit $?"


def count(folder: Path) -> list[int]:
    path = folder / "counted"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def pause(node: Daemon) -> Path:
    path = node.scratch / "pause"
    path.touch()
    return path


def test_a_job_goes_on_elsewhere_from_its_checkpoint(lab: Lab, tmp_path: Path) -> None:
    """Three nodes, evicted twice: nothing is counted twice, nothing left out, and no try is used up."""
    steward = lab.steward()
    key = submit(lab, "far", counting(tmp_path, 60), RESUMING)
    reached = 0
    for name in ("alpha", "beta"):
        node = lab.node(name, *EVICTING)
        wait_until(lambda: len(count(tmp_path)) >= reached + 5)  # noqa: B023
        pause(node)
        lab.wait(lambda: lab.state(key, "a") is State.PENDING, 20, "it is given back")
        # It takes nothing while it is paused.
        reached = len(count(tmp_path))
        assert not lab.living()
        lab.wait(lambda: not lab.status(name).jobs, 5, "nothing is there")  # noqa: B023
        assert lab.status(name).paused_by.startswith("scratch")
        assert "evicted: paused by scratch" in node.said
    lab.node("gamma", "--no-steward")
    assert lab.wait_finished(key) == {State.DONE: ["a~3@gamma"]}
    counted = count(tmp_path)
    assert counted == list(range(60)), "each number once"
    assert lab.text(key, "a", "result") == str(sum(range(60)))
    assert lab.record(key, "a").outcome is Outcome.DONE
    # No failed attempt, no loss; and what was saved is swept.
    assert [path.name for path in lab.archived(key, "a").parent.iterdir() if "~" in path.name] == []
    place = lab.place(key)
    assert place is not None and os.listdir(place.losses) == []
    sweep(lab.spool)
    assert not list(lab.spool.layout.saves_root.iterdir())
    assert steward.terminate() == 0


def test_a_job_that_asks_for_nothing_begins_anew(lab: Lab, tmp_path: Path) -> None:
    """It gets its SIGTERM at once, and none of its files later; an empty save is none either."""
    lab.steward()
    script = (
        f"echo $DISTRIBUTE_ATTEMPT >> {tmp_path}/tries; ls input >> {tmp_path}/found; "
        "echo half > distribute_save/x; while ! test -e {go}; do sleep 0.02; done; echo whole > distribute_save/x"
    ).format(go=tmp_path / "go")
    key = submit(lab, "plain", script, {})
    node = lab.node("alpha", *EVICTING)
    wait_until((tmp_path / "tries").exists)
    there = pause(node)
    begun_s = time.monotonic()
    lab.wait(lambda: lab.state(key, "a") is State.PENDING, 8, "it is given back")
    assert time.monotonic() - begun_s < 8.0
    there.unlink()
    wait_until(lambda: (tmp_path / "tries").read_text().split() == ["1", "2"])
    (tmp_path / "go").touch()
    assert lab.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert (tmp_path / "found").read_text() == ""
    assert lab.text(key, "a", "x") == "whole\n"
    assert not lab.spool.layout.saves_root.exists()


def test_an_owner_grants_no_more_than_he_says(lab: Lab, tmp_path: Path) -> None:
    """A job that doesn't end of itself after its signal is ended; it saved nothing, and so nothing is kept."""
    lab.steward()
    command = f"trap 'touch {tmp_path}/told' USR1; touch {tmp_path}/begun; while :; do sleep 0.05; done"
    key = submit(lab, "slow", command, {**RESUMING, "evict_grace": "10m"})
    node = lab.node("alpha", *EVICTING, "--evict-grace", "1s")
    wait_until((tmp_path / "begun").exists)
    pause(node)
    lab.wait(lambda: lab.phase("alpha") == "evicting", 5, "it says so")
    lab.wait(lambda: lab.state(key, "a") is State.PENDING, 10, "it is given back")
    assert (tmp_path / "told").exists()
    assert not lab.spool.layout.saves_root.exists()


@pytest.mark.parametrize(("code", "ends"), [(0, State.DONE), (7, State.PENDING)])
def test_a_job_that_ends_by_itself_after_its_signal(lab: Lab, tmp_path: Path, code: int, ends: State) -> None:
    """Done is done; anything else is no error of its own."""
    lab.steward()
    command = f"trap 'exit {code}' USR1; touch {tmp_path}/begun; while :; do sleep 0.05; done"
    key = submit(lab, "self", command, RESUMING)
    node = lab.node("alpha", *EVICTING)
    wait_until((tmp_path / "begun").exists)
    pause(node)
    lab.wait_state(key, "a", ends)
    if ends is State.DONE:
        assert lab.record(key, "a").exit_code == 0
    assert lab.tickets(key)[ends] == [
        f"a~{1 if ends is State.DONE else 2}" + ("@alpha" if ends is State.DONE else "")
    ]


def test_a_daemon_that_dies_in_an_eviction_leaves_one_that_goes_through_with_it(
    lab: Lab, tmp_path: Path
) -> None:
    """Although the pause is over by then: the job was told, and may have stopped its work."""
    lab.steward()
    command = (
        f"trap 'echo told >> {tmp_path}/told' USR1; touch {tmp_path}/begun; while :; do sleep 0.05; done"
    )
    key = submit(lab, "dead", command, {**RESUMING, "evict_grace": "4s"})
    node = lab.node("alpha", *EVICTING)
    wait_until((tmp_path / "begun").exists)
    there = pause(node)
    wait_until((tmp_path / "told").exists)
    node.kill()
    there.unlink()
    lab.node("alpha", *EVICTING, ready=False)
    lab.wait(lambda: "a~2" in str(lab.tickets(key)), 20, "it is given back")
    assert (tmp_path / "told").read_text() == "told\n"


DEATHS = (
    "amid copy far/a~1@alpha/state",
    "before flush spool",
    "before rename .resume/lab/far/a~1",
    "after rename .resume/lab/far/a~1",
    "before rename pending/a~2",
    "after rename pending/a~2",
)


@pytest.mark.parametrize("death", DEATHS)
def test_a_daemon_that_dies_between_keeping_and_giving_back(lab: Lab, tmp_path: Path, death: str) -> None:
    """The next one does it again: the job goes on from its checkpoint, whatever was done before."""
    dying = (sys.executable, str(Path(__file__).with_name("dying.py")), death)
    lab.steward()
    key = submit(lab, "far", counting(tmp_path, 25, "leave"), RESUMING)
    node = lab.node("alpha", *EVICTING, before=dying)
    wait_until(lambda: len(count(tmp_path)) >= 5)
    pause(node)
    assert node.wait() == -9
    lab.node("alpha", *EVICTING, ready=False)
    lab.node("beta", "--no-steward")
    assert lab.wait_finished(key) == {State.DONE: ["a~2@beta"]}
    assert count(tmp_path) == list(range(25))
    assert lab.text(key, "a", "result") == str(sum(range(25)))


def test_a_build_is_evicted_too(lab: Lab, tmp_path: Path) -> None:
    lab.steward()
    build = f"touch {tmp_path}/begun; while ! test -e {tmp_path}/go; do sleep 0.05; done"
    key = lab.batch("built", {"a": "true"}, build=build)
    node = lab.node("alpha", *EVICTING)
    wait_until((tmp_path / "begun").exists)
    there = pause(node)
    lab.wait(lambda: lab.tickets(key) == {State.PENDING: ["a~2"]}, 10, "it is given back")
    there.unlink()
    (tmp_path / "go").touch()
    assert lab.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    place = lab.place(key)
    assert place is not None and os.listdir(place.losses) == []

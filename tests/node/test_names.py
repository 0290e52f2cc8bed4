"""One node name, two machines: the second daemon is refused while the first lives, however it is called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spoold.tickets import State
from tests.lab import FAST, Lab

ELSEWHERE = (sys.executable, str(Path(__file__).with_name("posing.py")), "elsewhere")


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Lab]:
    """Where a lease lapses soon."""
    with Lab(tmp_path / "lab", replace(FAST, heartbeat_s=0.3, lease_s=2.0)) as lab:
        yield lab


def test_it_is_refused_where_the_other_lives(quick: Lab, tmp_path: Path) -> None:
    quick.steward()
    first = quick.node("alpha", "--no-steward", before=ELSEWHERE)
    second = quick.node("alpha", "--no-steward", scratch=tmp_path / "other", ready=False)
    assert second.wait() == 1
    assert f"node 'alpha' runs already on elsewhere (pid {first.pid})" in second.said
    assert "--name" in second.said
    key = quick.batch("unharmed", {"a": "true"})
    assert quick.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    assert (tmp_path / "other/runs").is_dir() and not list((tmp_path / "other/runs").iterdir())


def test_it_takes_the_name_of_a_machine_that_died(quick: Lab, tmp_path: Path) -> None:
    """What the dead one did is done again: nothing of it is on the other's disk."""
    quick.steward()
    log = tmp_path / "log"
    key = quick.batch(
        "moved", {"a": f"echo $DISTRIBUTE_ATTEMPT >> {log}; test $DISTRIBUTE_ATTEMPT != 1 || sleep 1000"}
    )
    first = quick.node("alpha", "--no-steward", before=ELSEWHERE)
    quick.wait(log.exists, 20, "it runs")
    first.kill_with_jobs()
    second = quick.node("alpha", "--no-steward", scratch=tmp_path / "other", ready=False)
    second.wait_for("is held by elsewhere")
    assert quick.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert log.read_text() == "1\n2\n"
    assert second.process.poll() is None

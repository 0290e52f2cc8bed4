"""One node name, two machines: the second daemon is refused while the first lives, however it is called."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spoold.leases import make_lease, read_mark, try_acquire
from spoold.losses import read_losses
from spoold.snapshot import read_node
from spoold.tickets import State
from tests.lab import FAST, Daemon, Lab
from tests.node.gate import Gate
from tests.support import wait_until


def posing(host: str) -> tuple[str, ...]:
    return (sys.executable, str(Path(__file__).with_name("posing.py")), host)


def runs(lab: Lab, daemon: Daemon) -> bool:
    """Whether a daemon has its name."""
    info = read_node(lab.spool, daemon.name)
    return info is not None and info.pid == daemon.pid


ELSEWHERE = posing("elsewhere")


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


def test_it_is_refused_where_both_machines_have_one_host_name(quick: Lab, tmp_path: Path) -> None:
    """The other's pid says nothing here, where no process has it."""
    first = quick.node("alpha", "--no-steward")
    lease = quick.spool.layout.node("alpha").lease
    page = lease.read_text()
    assert str(first.pid) in page
    # In place: as that machine would have written it, which refreshes it.
    lease.write_text(page.replace(str(first.pid), "4000000"))
    second = quick.node("alpha", "--no-steward", scratch=tmp_path / "other", ready=False)
    assert second.wait() == 1
    assert "node 'alpha' runs already on" in second.said
    assert "(pid 4000000)" in second.said
    assert "lost" not in first.said


def test_a_daemon_of_one_host_name_waits_for_the_lease(quick: Lab, tmp_path: Path) -> None:
    """Only a scratch folder's own daemon is known to be gone: with another folder it may be another machine."""
    first = quick.node("alpha", "--no-steward")
    first.kill()
    killed_s = time.monotonic()
    second = quick.node("alpha", "--no-steward", scratch=tmp_path / "other", ready=False)
    second.wait_for("is held by")
    wait_until(lambda: runs(quick, second))
    assert time.monotonic() - killed_s > quick.settings.lease_s


def twin_of(quick: Lab, first: Daemon, tmp_path: Path) -> Daemon:
    """A daemon on another host that has taken the name of ``first``, which stands still."""
    first.freeze()
    second = quick.node("alpha", "--no-steward", before=posing("two"), scratch=tmp_path / "two", ready=False)
    wait_until(lambda: runs(quick, second), what=f"the second runs:\n{second.said}")
    return second


def check_made_way(first: Daemon, second: Daemon) -> None:
    assert first.wait() == 1, first.said
    assert f"node 'alpha' runs on two (pid {second.pid}) by now" in first.said
    assert "--name" in first.said
    assert second.process.poll() is None
    assert "lost" not in second.said


def test_who_comes_back_makes_way(quick: Lab, gate: Gate, tmp_path: Path) -> None:
    """It gives back none of what the other one claimed in their name."""
    quick.steward()
    first = quick.node("alpha", "--no-steward", before=posing("one"))
    second = twin_of(quick, first, tmp_path)
    key = quick.batch("twin", {"a": gate.command})
    gate.wait_begun()
    first.thaw()
    check_made_way(first, second)
    gate.open()
    assert quick.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    place = quick.place(key)
    assert place
    assert read_losses(quick.spool, place) == []


def test_who_comes_back_with_a_job_stops_it(quick: Lab, gate: Gate, tmp_path: Path) -> None:
    quick.steward()
    first = quick.node("alpha", "--no-steward", before=posing("one"))
    key = quick.batch("twin", {"a": gate.command})
    gate.wait_begun()
    second = twin_of(quick, first, tmp_path)
    gate.wait_begun(2)
    first.thaw()
    check_made_way(first, second)
    assert {command for _, command in quick.living() if f"{first.scratch}/" in command} == set()
    gate.open()
    assert quick.wait_finished(key) == {State.DONE: ["a~2@alpha"]}
    assert gate.log == ["a~1", "a~2"]
    assert [(r.attempt, r.node) for r in quick.records()] == [(2, "alpha")]


def test_a_steward_that_has_the_lease_is_no_daemon_of_that_name(quick: Lab) -> None:
    """It has lapsed, and its jobs are given back: that may take longer than a heartbeat."""
    taken = make_lease(quick.spool.layout.node("alpha").lease, quick.settings)
    quick.spool.ops.make_folder(quick.spool.layout.node("alpha").path)
    assert try_acquire(taken)
    alpha = quick.node("alpha", "--no-steward", ready=False)
    alpha.wait_for("is held by")
    seen = read_mark(quick.spool.layout.node("alpha").lease)
    wait_until(lambda: read_mark(quick.spool.layout.node("alpha").lease) != seen)
    taken.release()
    wait_until(lambda: runs(quick, alpha))

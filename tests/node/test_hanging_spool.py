"""A spool that hangs, as behind a file server that is down: what runs is looked after all the same."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nodewatch.stopping import REQUEUE_SIGNAL
from spoold.records import EndedBy
from spoold.tickets import State
from tests.lab import FAST, Lab
from tests.node.test_pauses import BUSY, wait_paused, works
from tests.spool.places import missing_for_mounts, mounted
from tests.support import wait_until


@dataclass(frozen=True)
class Server:
    """A lab whose node sees the spool at ``point``, while the file server answers."""

    lab: Lab
    point: Path
    process: subprocess.Popen[str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    missing = missing_for_mounts()
    if missing:
        pytest.skip(missing)
    point = tmp_path / "mounted"
    point.mkdir()
    with Lab(tmp_path / "lab", replace(FAST, lease_s=60.0)) as lab:
        try:
            with mounted(lab.spool.root, point) as process:
                yield Server(lab, point, process)
                process.send_signal(signal.SIGCONT)
                lab.end_all()
        except OSError as error:
            pytest.skip(str(error))


def test_supervision_goes_on(server: Server, tmp_path: Path) -> None:
    lab = server.lab
    lab.steward()
    go = tmp_path / "go"
    key = lab.batch("busy", {"a": BUSY.format(go=go), "b": "true"})
    node = lab.node("alpha", "--no-steward", "--spool", str(server.point))
    wait_until(lambda: len(lab.living()) == 2 and works(lab))
    server.process.send_signal(signal.SIGSTOP)

    here = node.scratch / "pause"
    here.touch()
    wait_paused(lab, node)
    here.unlink()
    assert works(lab)
    here.write_text("3s")
    wait_paused(lab, node)
    wait_until(lambda: not here.exists())
    assert works(lab)
    go.touch()
    (run,) = node.attempts()
    wait_until((run / "exit.json").exists)
    assert lab.tickets(key) == {State.CLAIMED: ["a~1@alpha"], State.PENDING: ["b~1"]}

    server.process.send_signal(signal.SIGCONT)
    assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha", "b~1@alpha"]}
    assert [r.attempt for r in lab.records()] == [1, 1]


def test_time_limits_hold(server: Server) -> None:
    lab = server.lab
    lab.steward()
    key = lab.batch("slow", {"a": {"command": "echo begun; sleep 600", "resources": {"time": "3s"}}})
    node = lab.node("alpha", "--no-steward", "--spool", str(server.point))
    wait_until(lab.living)
    server.process.send_signal(signal.SIGSTOP)
    (run,) = node.attempts()
    wait_until((run / "exit.json").exists, 10)
    server.process.send_signal(signal.SIGCONT)
    assert lab.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    assert lab.record(key, "a").ending is EndedBy.TIME_LIMIT


def test_a_restart_meanwhile(server: Server, tmp_path: Path) -> None:
    """A daemon ends and another one begins; what runs is looked after by either."""
    lab = server.lab
    lab.steward()
    go = tmp_path / "go"
    key = lab.batch("busy", {"a": BUSY.format(go=go)})
    first = lab.node("alpha", "--no-steward", "--spool", str(server.point))
    wait_until(lambda: len(lab.living()) == 2 and works(lab, 1.0))
    server.process.send_signal(signal.SIGSTOP)
    assert first.terminate() == 0
    second = lab.node("alpha", "--no-steward", "--spool", str(server.point), ready=False)
    wait_until(lambda: (second.scratch / "pid").read_text() == f"{second.pid}\n")
    here = second.scratch / "pause"
    here.touch()
    wait_paused(lab, second)
    here.unlink()
    assert works(lab, 2.0)
    here.touch()
    wait_paused(lab, second)

    # It is the same pause when the job is adopted, and ends as it would have.
    server.process.send_signal(signal.SIGCONT)
    second.wait_for("adopting lab/busy/a~1@alpha")
    lab.wait(lambda: lab.phase("alpha") == "paused", 10, "it says so")
    assert not works(lab, 0.5)
    here.unlink()
    assert works(lab, 2.0)
    go.touch()
    assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha"]}


def test_a_requeue_meanwhile(server: Server, tmp_path: Path) -> None:
    """The job is stopped at once, and given back when that can be said."""
    lab = server.lab
    lab.steward()
    key = lab.batch("busy", {"a": BUSY.format(go=tmp_path / "go")})
    node = lab.node("alpha", "--no-steward", "--spool", str(server.point))
    wait_until(lambda: len(lab.living()) == 2)
    server.process.send_signal(signal.SIGSTOP)
    node.process.send_signal(REQUEUE_SIGNAL)
    wait_until(lambda: not lab.living(), what="nothing runs any more")
    assert node.process.poll() is None
    server.process.send_signal(signal.SIGCONT)
    assert node.wait() == 0
    assert lab.tickets(key) == {State.PENDING: ["a~2"]}

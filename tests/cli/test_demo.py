"""`distribute demo`, as a stranger would run it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distribute_cli import demo_lab
from spoold.local_node import NodeFailed
from spoold.snapshot import find_batch, list_nodes, read_node, read_tickets
from spoold.spool import open_spool
from spoold.tickets import State
from tests.cli.conftest import Run
from tests.support import left_behind, wait_until


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "distribute_cli", "demo", "--dir", str(folder), *options]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.parent
    )
    try:
        with process:
            yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait()


def test_from_nothing_to_plots(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    assert "$ distribute add " in err
    assert "examples/cavity has ended: 3 done" in out
    plots = [Path(line.strip()) for line in out.splitlines() if line.endswith("cavity.svg")]
    assert {plot.parent.name for plot in plots} >= {"re100", "re400", "re1000"}
    assert all("</svg>" in plot.read_text() for plot in plots)
    assert left_behind(folder) == []
    logs = "".join(log.read_text() for log in folder.glob("*.log"))
    assert "is built here" in logs
    assert " ERROR " not in logs and " WARNING " not in logs
    typed = out.split("plain files:")[1].splitlines()[1:]
    said = [subprocess.run(line.split(), capture_output=True, text=True, check=True).stdout for line in typed]
    assert "re1000~1@node-" in said[0]
    assert "3 done; finished" in said[1]


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as process:
        wait_until(lambda: is_claimed(folder), within_s=60, what="a job on a node")
        assert left_behind(folder)
        # To the whole group in a terminal; here the command that waits hears it from the demonstration.
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert wait_until(lambda: not left_behind(folder))


def is_claimed(folder: Path) -> bool:
    if not (folder / "spool" / "spool.yaml").exists():
        return False
    spool = open_spool(folder / "spool")
    ref = find_batch(spool, "examples", "cavity")
    return ref is not None and bool(read_tickets(spool, ref.folder).by_state[State.CLAIMED])


def test_a_daemon_that_does_not_start_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    private = demo_lab.make_spool(folder)
    (folder / "node-1.scratch").mkdir()
    (folder / "node-1.scratch" / "thesis.tex").touch()
    told = pytest.raises(NodeFailed, match="thesis")
    with told, demo_lab.running_nodes(private, keep=False):
        raise AssertionError("it came up")
    assert left_behind(folder) == []


def test_nodes_that_are_kept_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    private = demo_lab.make_spool(folder)
    with demo_lab.running_nodes(private, keep=True) as nodes:
        pass
    try:
        assert list_nodes(private.spool) == ["node-1", "node-2"]
        assert {(read_node(private.spool, node.name) or node).pid for node in nodes} == {
            node.pid for node in nodes
        }
    finally:
        for node in nodes:
            node.stop(20)
    assert not any(node.lives() for node in nodes)


def test_an_earlier_demo_is_replaced_and_nothing_else_is(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo_lab.make_spool(folder)
    (folder / "results").mkdir()
    demo_lab.make_spool(folder)
    assert not (folder / "results").exists()
    (folder / demo_lab.MARKER).unlink()
    assert "is not empty" in run("demo", "--dir", folder, code=1).stderr
    assert (folder / "spool" / "spool.yaml").exists()


def test_without_the_examples_it_says_where_they_are(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_lab, "__file__", str(tmp_path / "site-packages" / "distribute_cli" / "x.py"))
    error = run("demo", code=1).stderr
    assert "make demo" in error
    assert not Path("demo").exists()


def test_without_a_compiler_nothing_is_started(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install gcc" in run("demo", code=1).stderr
    assert not Path("demo").exists()

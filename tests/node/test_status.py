"""What a node tells of its jobs, and when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodewatch.status import differs, keep_times
from spoold.node_records import NodeStatus, RunningJob
from tests.lab import Lab

TOLD = RunningJob("lab", "b", "a", 1, "running", since=100.0, phase_since=130.0)
NOW = replace(TOLD, since=900.0, phase_since=900.0, cpu_s=5.0)


def test_a_job_keeps_the_times_that_were_told() -> None:
    assert keep_times([NOW], [TOLD]) == (replace(TOLD, cpu_s=5.0),)


def test_a_new_phase_begins_now_while_the_job_is_there_as_long_as_before() -> None:
    (paused,) = keep_times([replace(NOW, phase="paused")], [TOLD])
    assert (paused.since, paused.phase_since) == (100.0, 900.0)


def test_what_was_told_last_counts() -> None:
    later = replace(TOLD, phase="paused", phase_since=500.0)
    (running,) = keep_times([NOW], [TOLD, later])
    assert running.phase_since == 900.0


@pytest.mark.parametrize("change", [{"attempt": 2}, {"job": "c"}, {"batch": "d"}, {"namespace": "e"}])
def test_another_job_or_attempt_has_times_of_its_own(change: dict[str, str | int]) -> None:
    other = replace(NOW, **change)  # type: ignore[arg-type]
    assert keep_times([other], [TOLD]) == (other,)


def test_a_daemon_of_an_earlier_version_told_no_time_of_the_phase() -> None:
    (job,) = keep_times([NOW], [replace(TOLD, phase_since=None)])
    assert (job.since, job.phase_since) == (100.0, 900.0)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (NodeStatus(101.0, (TOLD,)), False),
        (NodeStatus(101.0, (replace(TOLD, cpu_s=9.0),)), False),
        (NodeStatus(101.0, (replace(TOLD, phase="paused"),)), True),
        (NodeStatus(101.0, ()), True),
        (NodeStatus(101.0, (TOLD,), draining=True), True),
        (NodeStatus(101.0, (TOLD,), troubles=("no space",)), True),
        (NodeStatus(110.0, (TOLD,)), True),
    ],
)
def test_only_news_is_told(new: NodeStatus, told: bool) -> None:
    assert differs(new, NodeStatus(100.0, (TOLD,))) is told


def test_an_idle_node_is_silent() -> None:
    assert not differs(NodeStatus(9999.0), NodeStatus(100.0))


def test_live_output_goes_through_no_link(lab: Lab, tmp_path: Path) -> None:
    """A stranger put it there before the node's first start."""
    logs = lab.spool.layout.node("alpha").logs
    logs.parent.mkdir()
    logs.symlink_to(tmp_path)
    daemon = lab.node("alpha", ready=False)
    assert daemon.wait() == 1
    assert "a link or a file is where live output goes" in daemon.said
    logs.unlink()
    first = lab.node("alpha")
    inode = logs.lstat().st_ino
    assert first.terminate() == 0
    lab.node("alpha")
    assert logs.lstat().st_ino == inode, "nobody can put anything in its place"
    assert logs.parent.stat().st_mode & 0o7777 == 0o1777

"""distribute nodes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from distribute_cli.exit_codes import ExitCode
from distribute_cli.reports.nodes import Life, judge_life
from spoold.node_records import JobPause, Quarantine, RunningJob
from tests.cli.conftest import Run, SpoolBuilder

Json = Callable[..., Any]


@pytest.mark.parametrize(
    ("age_s", "life"),
    [(None, Life.STOPPED), (0.0, Life.LIVE), (179.0, Life.LIVE), (181.0, Life.SILENT)],
)
def test_life_by_the_age_of_a_lease(age_s: float | None, life: Life) -> None:
    assert judge_life(age_s, 180.0) is life


@pytest.fixture
def lab(builder: SpoolBuilder) -> SpoolBuilder:
    now = time.time()
    job = RunningJob(
        "anna", "cavity", "job_1", 1, "running", now - 600, phase_since=now - 1, started_at=now - 300
    )
    builder.node("busy", ("gcc", "python3"), jobs=(job,))
    builder.node("idle", ("gcc",))
    builder.node("paused", paused_until=time.time() + 600, paused_by="scratch (strange)")
    builder.node("lent", paused_until=time.time() + 600, paused_by="schedule (lent Sat-Sun)")
    builder.node("owned", paused_until=time.time() + 7200, paused_by="owner (somebody is at its keyboard)")
    builder.node("held", holding="used less than 15m ago")
    builder.node("mute", silent_s=600)
    builder.node("stopped", silent_s=None, jobs=(job,), draining=True, paused_until=time.time() + 600)
    builder.node("bad", quarantines=(Quarantine("anna", "b", now), Quarantine("anna", "c", now, True)))
    builder.node("troubled", troubles=("scratch is full",))
    folder = builder.spool.layout.node
    folder("troubled").trouble.touch()
    folder("idle").drain.touch()
    folder("troubled").pause.touch()
    return builder


def test_nodes(lab: SpoolBuilder, run_json: Json) -> None:
    report = run_json("nodes")
    nodes = {node["name"]: node for node in report["nodes"]}
    assert {name: node["life"] for name, node in nodes.items()} == {
        "bad": "live",
        "busy": "live",
        "idle": "live",
        "lent": "live",
        "owned": "live",
        "held": "live",
        "paused": "live",
        "mute": "silent",
        "stopped": "stopped",
        "troubled": "live",
    }
    assert nodes["busy"]["jobs"][0]["job"] == "job_1"
    assert nodes["paused"]["paused_by"] == "scratch (strange)"
    assert nodes["held"]["holding"] == "used less than 15m ago"
    assert nodes["stopped"]["paused_until"] is None
    assert nodes["stopped"]["jobs"] == []
    assert not nodes["stopped"]["draining"]
    assert nodes["idle"]["draining"]
    assert nodes["mute"]["silent_s"] == pytest.approx(600, abs=30)
    assert [one["provisional"] for one in nodes["bad"]["quarantines"]] == [False, True]
    troubled = nodes["troubled"]
    assert (troubled["spool_full"], troubled["pausing"], troubled["troubles"]) == (
        True,
        True,
        ["scratch is full"],
    )
    assert 0 < report["free_bytes"] <= report["total_bytes"]


def test_nodes_for_people(lab: SpoolBuilder, run: Run) -> None:
    text = run("nodes").stdout
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "anna/cavity/job_1 (running, started 5 min ago)" in rows["busy"]
    assert "gcc, python3" in rows["busy"]
    assert "silent for 10 min" in rows["mute"]
    assert "paused until " in rows["paused"]
    assert rows["paused"].endswith(" by a file in its scratch folder (strange)")
    assert rows["owned"].endswith("paused by its owner until they leave (somebody is at its keyboard)")
    assert re.search(r"paused until .* by its schedule \(lent Sat-Sun\)$", rows["lent"])
    assert rows["held"].endswith("takes no more jobs: used less than 15m ago")
    assert rows["troubled"].endswith(
        "pause asked for; could not write to the spool: no space; scratch is full"
    )
    assert rows["idle"].endswith("draining: takes no more jobs")
    assert "silent is an estimate" in text
    assert " free\n" in text


def test_no_node_yet(run: Run) -> None:
    assert "start nodewatch on one" in run("nodes").stdout


def test_records_that_cannot_be_read(builder: SpoolBuilder, run_json: Json) -> None:
    builder.node("odd")
    builder.spool.layout.node("odd").info.write_text("{")
    folder = builder.spool.layout.node("empty")
    folder.path.mkdir()
    os.mkfifo(folder.lease)
    nodes = {node["name"]: node for node in run_json("nodes")["nodes"]}
    assert "is no NodeInfo" in nodes["odd"]["troubles"][0]
    assert nodes["empty"]["life"] == "stopped"
    assert "no node.json" in nodes["empty"]["troubles"][0]


def test_lifting_a_quarantine(lab: SpoolBuilder, run: Run) -> None:
    said = run("nodes", "--clear", "bad")
    assert (
        said.output == "bad may take jobs of anna/b and anna/c again, within seconds if its daemon is alive\n"
    )
    assert lab.spool.layout.node("bad").clear.exists()
    assert run("nodes", "--clear", "idle").output == "idle is in no quarantine\n"
    unknown = run("nodes", "--clear", "idel", code=ExitCode.NOT_FOUND)
    assert "did you mean idle" in unknown.output


def test_some_jobs_are_paused(builder: SpoolBuilder, run: Run) -> None:
    """A touch that is acted on is no longer one that was asked for; one that is over isn't shown."""
    now = time.time()
    pauses = (
        JobPause(now + 600, "spool (touched by bert)", ("anna/a", "anna/b/j")),
        JobPause(now - 1, "scratch", ("x/y",)),
    )
    builder.node("alpha", pauses=pauses)
    builder.spool.layout.node("alpha").pause.touch()
    said = " ".join(run("nodes").stdout.split())
    assert "anna/a and anna/b/j paused until" in said
    assert "by a file in the spool (touched by bert)" in said
    assert "asked for" not in said and "x/y" not in said


def test_what_is_taken_of_a_node(builder: SpoolBuilder, run: Run) -> None:
    now = time.time()
    jobs = [
        RunningJob("anna", "b", "one", 1, "running", now, cores=3, gpus=1),
        RunningJob("anna", "b", "two", 1, "uploading", now, cores=2),
    ]
    builder.node("alpha", jobs=tuple(jobs[1:]))
    assert "GPUS" not in run("nodes").output
    builder.node("beta", gpus=2, jobs=tuple(jobs))
    lines = run("nodes").output.splitlines()
    assert re.split(r"  +", lines[0])[:5] == ["NODE", "STATE", "CORES", "MEMORY", "GPUS"]
    assert re.search(r"^alpha +live +8 +32.0 GiB +anna", lines[1])
    assert re.search(r"^beta +live +3/8 +32.0 GiB +1/2 +anna", lines[2])

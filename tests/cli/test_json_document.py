"""docs/json.md says what is printed: every key, in its order, and every word that a value may be."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from cluster.options import Keyword
from cluster.records import QueueJob
from cluster.states import JobState
from distribute_cli.commands.add import Submission
from distribute_cli.commands.profile import ProfileLine
from distribute_cli.commands.queue import QueueListing
from distribute_cli.commands.slurm import ExportReport
from distribute_cli.exit_codes import MEANINGS, ExitCode
from distribute_cli.reports import (
    awaiting,
    batch,
    checking,
    explanation,
    nodes,
    notices,
    overview,
    pulled,
    running,
    soundness,
)
from distribute_cli.slurm.submitting import Submitted
from distribute_cli.submitting import Plan
from spoold.awaiting import Standing
from spoold.checking import Kind, Severity
from spoold.checking.repairing import Fate
from spoold.checking.verification import Difference, Wrong
from spoold.drops import DropKind
from spoold.node_records import JobPause, Limiting, Quarantine, RunningJob
from spoold.notices.channels import Verdict
from spoold.notices.outbox import put
from spoold.notices.records import Box, Notice
from spoold.records import EndedBy, Outcome, Resources
from spoold.tickets import State
from tests.cli.conftest import Run, SpoolBuilder
from tests.cluster.captures import put_slurm

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
OBJECTS: dict[str, Any] = {
    "overview": overview.Overview,
    "batch line": overview.BatchLine,
    "counts": overview.Counts,
    "awaited batch": awaiting.AwaitedLine,
    "place": overview.RunningOn,
    "waiting drop": overview.WaitingDrop,
    "rejection": overview.Rejection,
    "batch report": batch.BatchReport,
    "job line": batch.JobLine,
    "job report": batch.JobReport,
    "resources": Resources,
    "attempt": batch.AttemptReport,
    "nodes report": nodes.NodesReport,
    "node": nodes.NodeReport,
    "pause of some jobs": JobPause,
    "running job": RunningJob,
    "quarantine": Quarantine,
    "explanation": explanation.Explanation,
    "reason": explanation.Reason,
    "file check": checking.FileCheck,
    "problem": checking.FileProblem,
    "checked batch": checking.Batch,
    "sweep": checking.SweepCheck,
    "swept job": checking.SweptJob,
    "submission": Submission,
    "plan": Plan,
    "run report": running.RunReport,
    "run job": running.RunJob,
    "pull report": pulled.PullReport,
    "pulled file": pulled.PulledFile,
    "export report": ExportReport,
    "accepted submission": Submitted,
    "results report": soundness.ResultsReport,
    "difference": Difference,
    "notices report": notices.NoticesReport,
    "notice": notices.NoticeLine,
    "trial report": notices.TrialReport,
    "tried channel": notices.TriedChannel,
    "spool report": soundness.SpoolReport,
    "finding": soundness.SpoolFinding,
    "profile": ProfileLine,
    "keyword": Keyword,
    "queue listing": QueueListing,
    "queue job": QueueJob,
}
WORDS: list[type[Enum]] = [
    State,
    Outcome,
    EndedBy,
    Limiting,
    DropKind,
    nodes.Life,
    explanation.Cause,
    pulled.Action,
    Severity,
    Kind,
    Fate,
    Wrong,
    Standing,
    Box,
    Verdict,
    JobState,
]


def document(title: str) -> dict[str, str]:
    """What the first table below a heading says of each key, in its order."""
    section = re.split(rf"^### {re.escape(title)}$", PAGE, flags=re.MULTILINE)[1]
    table = re.split(r"^\| --- \| --- \|$", section, maxsplit=1, flags=re.MULTILINE)[1].split("\n\n")[0]
    cells = [line.strip("|").split("|", maxsplit=1) for line in table.strip().splitlines()]
    return {key: text for keys, text in cells for key in re.findall(r"`([^`]+)`", keys)}


def check(title: str, value: dict[str, Any], seen: set[str]) -> None:
    """That an object and all that it holds are as the page says; adds the titles of those to ``seen``."""
    documented = document(title)
    assert list(value) == list(documented), title
    seen.add(title)
    for key, text in documented.items():
        held = value[key] if isinstance(value[key], list) else [value[key]]
        for one in held:
            if not isinstance(one, dict) or key in ("values", "keywords"):
                continue
            if kind := re.search(r"\*([a-z ]+)\*", text):
                check(kind[1], one, seen)
            else:
                assert list(one) == re.findall(r"`([^`]+)`", text), f"{title}: {key}"


@pytest.mark.parametrize("title", OBJECTS)
def test_every_key_is_documented_in_its_order(title: str) -> None:
    assert list(document(title)) == [field.name for field in fields(OBJECTS[title])]


def test_what_is_printed_is_what_the_page_says(
    builder: SpoolBuilder,
    run: Run,
    run_json: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    fill(builder)
    Path("good.yaml").write_text(
        "meta: {batch_name: new, namespace: anna, capabilities: [gcc]}\n"
        "command:\n  jobs: [{name: 'a{n}', command: x, required_files: [good.yaml], sweep: {n: [1, 2]}}]\n"
    )
    Path("bad.yaml").write_text("meta: {}\n")
    seen: set[str] = set()
    check("overview", run_json("status"), seen)
    check("batch report", run_json("status", "anna/live"), seen)
    check("job report", run_json("status", "anna/live/a"), seen)
    check("nodes report", run_json("nodes"), seen)
    check("explanation", run_json("explain", "anna/live"), seen)
    check("submission", run_json("add", "good.yaml", "--dry"), seen)
    check("run report", run_json("run", "good.yaml", code=5), seen)
    check("pull report", run_json("pull", "anna/live", code=5), seen)
    for one in run_json("check", "good.yaml", "bad.yaml", code=1)["files"]:
        check("file check", one, seen)
    Path("sbatch").write_text("#!/bin/sh\necho 12\n")
    Path("sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(Path.cwd()), prepend=":")
    Path("good.yaml").write_text(Path("good.yaml").read_text() + "slurm: {}\n")
    check("export report", run_json("slurm", "out", "good.yaml", "--submit"), seen)
    check("results report", run_json("verify", "anna/live", code=ExitCode.UNSOUND), seen)
    check("notices report", run_json("notify"), seen)
    check("trial report", run_json("notify", "--test", "@anna:lab.test"), seen)
    check("spool report", run_json("fsck", code=ExitCode.UNSOUND), seen)
    check("profile", run_json("profile", "list")["profiles"][0], seen)
    check("keyword", run_json("keywords", "walltime")["keywords"][0], seen)
    monkeypatch.setenv("PATH", str(put_slurm(tmp_path / "slurm")))
    check("queue listing", run_json("queue", "--queue", "slurm", "--everybody"), seen)
    assert seen == set(OBJECTS)


def fill(builder: SpoolBuilder) -> None:
    """Something of each kind: a batch at work, a finished one, a drop, a rejection, a busy node, a difference."""
    settings = builder.spool.layout.settings
    settings.write_text(settings.read_text().replace("rescan_s: 1.5", "rescan_s: 0.1"))
    builder.batch("anna/live", {State.CLAIMED: ["a~2@alpha"], State.PENDING: ["b~1"]}, after=("anna/old",))
    builder.result("anna/live", "a~1@alpha", {"out": "1"}, folder="a~1", outcome=Outcome.FAILED)
    builder.result("anna/live", "a~1@alpha", {"out": "1"}, outcome=Outcome.FAILED)
    (builder.spool.layout.archived_job("anna", "live", "a") / "unrecorded").touch()
    builder.batch("anna/old", {State.DONE: ["a~1@alpha"]}, finished=True)
    builder.node(
        "alpha",
        ("gcc",),
        jobs=(RunningJob("anna", "live", "a", 2, "running", 1.0),),
        quarantines=(Quarantine("anna", "b", 1.0),),
        pauses=(JobPause(9e9, "spool", ("anna/b",)),),
    )
    put(builder.spool, Notice("0" * 32, "anna", "old", "old.yaml", 1, "@anna:lab.test", 1.0))
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "distribute"
    config.mkdir(parents=True)
    (config / "notify.yaml").write_text("command: [/bin/true]\n")
    (builder.spool.layout.incoming / "drop.yaml").touch()
    (builder.spool.layout.rejected / "bad.yaml").touch()
    (builder.spool.layout.rejected / "bad.yaml.reason.txt").write_text("why\n")


def test_every_object_of_the_page_is_compared() -> None:
    assert set(re.findall(r"^### (.+)$", PAGE, flags=re.MULTILINE)) == set(OBJECTS)


@pytest.mark.parametrize("words", WORDS)
def test_every_word_is_documented(words: type[Enum]) -> None:
    assert {word.value for word in words} <= set(re.findall(r"`([^`\n]+)`", PAGE))


def test_exit_codes_are_documented() -> None:
    table = PAGE.split("## Exit codes")[1]
    documented = {
        int(code): text.replace("\\|", "|")
        for code, text in re.findall(r"^\| (\d+) \| (.*) \|$", table, re.M)
    }
    assert documented == {int(code): meaning for code, meaning in MEANINGS.items()}

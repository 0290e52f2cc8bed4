"""`distribute add`: what is shown, what is dropped, and what is said of its fate."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distribute_cli import following
from spoold.fsops import FileOps
from spoold.snapshot import find_batch, read_header, read_jobs, read_tickets
from spoold.spool import Spool
from spoold.tickets import State
from tests.cli.conftest import Run, SpoolBuilder
from tests.cli.daemons import end, started, steward
from tests.sif_files import write_sif
from tests.support import wait_until

Json = Callable[..., Any]
JOB_FILE = """\
meta: {batch_name: cavity, namespace: anna, capabilities: [gcc, python3]}
command:
  initialize: {build: make, required_files: [Makefile]}
  jobs:
    - name: one
      command: ./solver
      required_files: [{path: one.json, alias: input.json}]
      resources: {cores: 4, memory: 2G}
    - {name: two, command: ./solver, depends: [one], required_files: [{path: one.json, alias: input.json}]}
"""


@pytest.fixture
def job_file(run: Run) -> Path:
    Path("Makefile").write_text("all:\n")
    Path("one.json").write_text("{}" * 1024)
    Path("job.yaml").write_text(JOB_FILE)
    return Path("job.yaml")


def move(spool: Spool, ticket: str, source: State, target: State, new: str) -> None:
    folder = spool.layout.batch("anna", "cavity")
    wait_until(lambda: ticket in spool.ops.names(folder.state(source)), what=f"{ticket} in {source}")
    os.rename(folder.state(source) / ticket, folder.state(target) / new)


def test_dry_without_inputs_has_no_table_of_them(run: Run) -> None:
    text = "meta: {batch_name: b, namespace: anna}\ncommand: {jobs: [{name: one, command: x}]}\n"
    Path("job.yaml").write_text(text)
    said = run("add", "job.yaml", "--dry").stdout
    assert "input   size" not in said
    assert not [line for line in said.splitlines() if line.startswith("input")]


def test_dry_shows_everything_and_drops_nothing(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    builder.node("alpha", ("gcc", "python3"))
    builder.node("beta", ("python3",))
    builder.node("gamma", ("gcc", "python3"), silent_s=None)
    said = run("add", job_file, "--dry").stdout.splitlines()
    assert said[0] == "anna/cavity: 2 jobs (command), 2 input files (2.0 KiB)"
    rows = [line.split() for line in said]
    assert ["one", "4", "cores,", "2.0", "GiB"] in rows
    assert ["two", "a", "whole", "node", "one"] in rows
    assert ["one.json", "2.0", "KiB"] in rows
    assert ["gcc", "alpha"] in rows
    assert ["python3", "alpha", "and", "beta"] in rows
    assert "could run on: alpha" in said
    assert os.listdir(builder.spool.layout.incoming) == []


def test_dry_as_json(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    builder.node("alpha", ("gcc", "python3"))
    shown = json.loads(run("add", job_file, "--dry", "--json").stdout)
    assert shown["state"] == "planned"
    assert shown["drop"] is None
    assert shown["plan"]["jobs"][1] == {
        "name": "two", "cores": None, "memory_bytes": None, "gpus": None, "depends": ["one"], "files": 1,
        "values": {},
    }  # fmt: skip
    assert shown["plan"]["capabilities"][0] == {"name": "gcc", "nodes": ["alpha"]}
    assert shown["plan"]["warnings"] == []


@pytest.mark.parametrize(
    ("nodes", "warning"),
    [
        ({}, "no node has ever joined this spool"),
        ({"alpha": (("gcc", "python3"), None)}, "no node's daemon runs; known: alpha"),
        ({"alpha": (("python3",), 0.0)}, "no node has gcc"),
        ({"a": (("gcc", "python3"), 1e6), "b": (("python3",), 0.0)}, "gcc: only a, whose daemon doesn't run"),
        ({"a": (("gcc",), 0.0), "b": (("python3",), 0.0)}, "no live node has all of gcc and python3 at once"),
    ],
)
def test_warns_of_a_batch_that_no_node_could_take(
    run: Run,
    builder: SpoolBuilder,
    job_file: Path,
    nodes: dict[str, tuple[tuple[str, ...], float | None]],
    warning: str,
) -> None:
    for name, (capabilities, silent_s) in nodes.items():
        builder.node(name, capabilities, silent_s)
    result = run("add", job_file, "--dry")
    assert result.stderr == f"warning: {warning}\n"
    assert "could run on: no live node" in result.stdout


def test_warns_of_jobs_larger_than_any_node(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    builder.node("alpha", ("gcc", "python3"))
    job_file.write_text(JOB_FILE.replace("cores: 4, memory: 2G", "cores: 64, memory: 1T, gpus: 2"))
    warnings = run("add", job_file, "--dry").stderr.splitlines()
    assert warnings == [
        "warning: more cores than any capable node has (8): one",
        "warning: more memory than any capable node has (32.0 GiB): one",
        "warning: no capable node has a GPU, which is asked for by: one",
    ]


def test_is_admitted_with_what_the_files_held(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    spool = builder.spool
    with steward(spool):
        result = run("add", job_file)
    assert "admitted anna/cavity" in result.stdout
    assert "distribute pull job.yaml" in result.stdout
    ref = find_batch(spool, "anna", "cavity")
    assert ref is not None
    header, jobs = read_header(spool, ref.folder), read_jobs(spool, ref.folder)
    assert header is not None and header.submitter_uid == os.getuid()
    assert jobs is not None
    assert spool.layout.store_object(jobs.jobs[0].inputs[0].sha256).read_text() == "{}" * 1024
    assert read_tickets(spool, ref.folder).counts()[State.PENDING] == 1
    assert os.listdir(spool.layout.incoming) == []


def test_without_a_daemon_it_says_so(
    run: Run, builder: SpoolBuilder, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PATIENCE_S", 0.2)
    result = run("add", job_file, "--json")
    assert "no daemon runs that would take it; see: distribute nodes" in result.stderr
    assert json.loads(result.stdout)["state"] == "waiting"
    (dropped,) = os.listdir(builder.spool.layout.incoming)
    assert json.loads(result.stdout)["drop"].endswith(f"/incoming/{dropped}")


def test_a_name_that_is_taken_is_refused_before_anything_is_copied(
    run: Run, builder: SpoolBuilder, job_file: Path
) -> None:
    builder.batch("anna/cavity", {State.PENDING: ["one~1"]})
    for options in ([], ["--dry"]):
        error = run("add", job_file, *options, code=1).stderr
        assert "anna/cavity is there already" in error
        assert "another batch_name" in error
    assert os.listdir(builder.spool.layout.incoming) == []


def test_a_rejection_shows_the_steward_s_reason(
    run: Run, builder: SpoolBuilder, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people submit one name at the same time: neither saw the other's."""
    monkeypatch.setattr("spoold.submitting.refuse", lambda spool, loaded: None)
    with steward(builder.spool):
        run("add", job_file)
        error = run("add", job_file, code=1).stderr
    assert "anna/cavity is there already" in error
    assert "nothing of it was touched" in error
    (rejected,) = (n for n in os.listdir(builder.spool.layout.rejected) if n.endswith(".bundle"))
    assert f"{rejected} was rejected" in error


def test_every_mistake_comes_at_once(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    job_file.write_text(JOB_FILE.replace("batch_name", "batchname").replace("name: two", "name: one"))
    error = run("add", job_file, code=1).stderr
    assert "job.yaml:1:8: " in error
    assert "did you mean batch_name" in error
    assert "job.yaml:9:" in error


def test_every_missing_input_is_named(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    Path("one.json").unlink()
    error = run("add", job_file, code=1).stderr
    assert error.count("one.json can't be read: No such file or directory") == 2


def test_too_many_jobs_for_this_spool(run: Run, tmp_path: Path, job_file: Path) -> None:
    run("init", tmp_path / "small", "--max-jobs", 1)
    error = run("add", job_file, "--spool", tmp_path / "small", code=1).stderr
    assert "job.yaml has 2 jobs: a batch may have 1 in" in error


def test_dry_and_wait_contradict_each_other(run: Run, job_file: Path) -> None:
    run("add", job_file, "--dry", "--wait", code=2)


def test_wait_until_all_are_done(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    spool = builder.spool
    with steward(spool), started(spool, "add", job_file, "--wait") as process:
        move(spool, "one~1", State.PENDING, State.DONE, "one~1@alpha")
        move(spool, "two~1", State.PENDING, State.DONE, "two~1@alpha")
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert out.splitlines() == [
        "anna/cavity has ended: 2 done",
        "fetch the results: distribute pull job.yaml",
    ]


def test_wait_ends_with_5_if_a_job_failed(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    spool = builder.spool
    with steward(spool), started(spool, "add", job_file, "--wait", "--json") as process:
        move(spool, "one~1", State.PENDING, State.FAILED, "one~1@alpha")
        out, err = process.communicate(timeout=20)
    assert process.returncode == 5
    shown = json.loads(out)
    assert shown["state"] == "ended"
    # The steward cancelled what depended on it.
    ended = {state: number for state, number in shown["counts"].items() if number}
    assert ended == {"failed": 1, "cancelled": 1}
    assert "distribute retry anna/cavity" in err


def test_ctrl_c_leaves_the_batch_running(run: Run, builder: SpoolBuilder, job_file: Path) -> None:
    spool = builder.spool
    with steward(spool), started(spool, "add", job_file, "--wait") as process:
        wait_until(lambda: find_batch(spool, "anna", "cavity"))
        code, _, err = end(process, signal.SIGINT)
        ref = find_batch(spool, "anna", "cavity")
    assert code == 130
    assert "anna/cavity is submitted and goes on without you" in err
    assert ref is not None and not ref.finished
    assert ref.folder.kill().name not in os.listdir(ref.folder.path)


@pytest.mark.parametrize(
    ("call", "said", "dropped"), [("link_new", "isn't submitted", 0), ("flush", "goes on without you", 1)]
)
def test_ctrl_c_while_it_is_dropped_says_what_becomes_of_the_batch(
    run: Run,
    builder: SpoolBuilder,
    job_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    said: str,
    dropped: int,
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FileOps, call, interrupt)
    result = run("add", job_file, code=130)
    assert said in result.stderr
    assert len(os.listdir(builder.spool.layout.incoming)) == dropped


def test_warns_where_no_node_runs_images(run: Run, builder: SpoolBuilder) -> None:
    builder.node("alpha", ("gcc",))
    write_sif(Path("box.sif"))
    Path("job.yaml").write_text(
        "meta: {batch_name: b, namespace: n}\napptainer: {initialize: {sif: box.sif}, jobs: [{name: one}]}\n"
    )
    result = run("add", "job.yaml", "--dry")
    assert result.stderr == "warning: no node has apptainer\nwarning: no node has x86_64\n"
    assert "could run on: no live node" in result.stdout


def test_dry_shows_what_a_sweep_makes(run: Run, builder: SpoolBuilder, run_json: Json) -> None:
    jobs = "[{name: 're{re}', command: x, sweep: {re: [1.0, 2]}}, {name: last, command: x, depends: [re2]}]"
    Path("job.yaml").write_text(f"meta: {{batch_name: b, namespace: anna}}\ncommand: {{jobs: {jobs}}}\n")
    rows = [line.split() for line in run("add", "job.yaml", "--dry").stdout.splitlines()]
    assert ["job", "needs", "after", "values"] in rows
    assert ["re1.0", "a", "whole", "node", "re=1.0"] in rows
    assert ["last", "a", "whole", "node", "re2"] in rows
    planned = run_json("add", "job.yaml", "--dry")["plan"]["jobs"]
    assert [(job["name"], job["values"]) for job in planned] == [
        ("re1.0", {"re": "1.0"}),
        ("re2", {"re": "2"}),
        ("last", {}),
    ]


def test_warns_of_batches_before_it_and_shows_them(run: Run, builder: SpoolBuilder, run_json: Json) -> None:
    builder.node("alpha")
    builder.batch("anna/bad", {State.FAILED: ["a~1@n"]}, finished=True)
    builder.batch("anna/good", {State.DONE: ["a~1@n"]}, finished=True)
    after = "after: [anna/none, anna/bad, anna/good]"
    Path("job.yaml").write_text(
        f"meta: {{batch_name: b, namespace: anna, {after}}}\ncommand: {{jobs: [{{name: a, command: x}}]}}\n"
    )
    result = run("add", "job.yaml", "--dry")
    assert result.stderr.splitlines() == [
        "warning: anna/none isn't in this spool yet: the batch waits for it",
        "warning: anna/bad ended with jobs that aren't done: every job will be cancelled",
    ]
    assert "after: anna/none, anna/bad and anna/good" in result.stdout
    assert run_json("add", "job.yaml", "--dry")["plan"]["after"] == ["anna/none", "anna/bad", "anna/good"]


def test_a_full_spool(
    run: Run, builder: SpoolBuilder, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("spoold.bundles._write", refuse)
    error = run("add", job_file, code=1).stderr
    assert f"error: the spool {builder.spool.root} is full (" in error
    assert "nothing was submitted" in error
    assert os.listdir(builder.spool.layout.incoming) == []

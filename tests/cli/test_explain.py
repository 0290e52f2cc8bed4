"""distribute explain: each cause alone, on spools in the shape that it leaves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from distribute_cli.reports.explanation import Cause
from distribute_compute_config import load_text
from spoold.bundles import collect, drop_bundle
from spoold.layout import BatchFolder
from spoold.node_records import JobPause, Quarantine, RunningJob
from spoold.records import Input, JobSpec, Outcome, Resources
from spoold.tickets import State
from tests.cli.conftest import Run, SpoolBuilder

Json = Callable[..., Any]
PENDING = {State.PENDING: ["a~1", "b~1"]}


def wait_for(builder: SpoolBuilder, *capabilities: str) -> BatchFolder:
    """A batch of two pending jobs that needs these."""
    return builder.batch("anna/cavity", PENDING, capabilities=capabilities)


def reasons(run_json: Json, target: str = "anna/cavity") -> list[tuple[str, str]]:
    """Causes and sentences, as the command tells them."""
    return [(reason["cause"], reason["text"]) for reason in run_json("explain", target)["reasons"]]


def test_no_workstation(builder: SpoolBuilder, run_json: Json) -> None:
    wait_for(builder)
    ((cause, text),) = reasons(run_json)
    assert cause == "no-node"
    assert text.endswith("start nodewatch on one")


def test_no_workstation_is_alive(builder: SpoolBuilder, run_json: Json) -> None:
    wait_for(builder, "gcc")
    builder.node("alpha", silent_s=None)
    builder.node("beta", silent_s=600)
    assert reasons(run_json) == [
        ("no-node", "no workstation is alive: alpha is stopped and beta is silent for 10 min")
    ]


def test_a_capability_that_no_live_node_has(builder: SpoolBuilder, run_json: Json) -> None:
    wait_for(builder, "python3", "gfotran", "matlab")
    builder.node("alpha", ("python3", "gfortran"))
    builder.node("beta", ("matlab",), silent_s=600)
    assert reasons(run_json) == [
        ("capability", "no live node has the capability gfotran; did you mean gfortran?"),
        ("capability", "no live node has the capability matlab (beta has it, but is silent for 10 min)"),
    ]
    named = [reason["capability"] for reason in run_json("explain", "anna/cavity")["reasons"]]
    assert named == ["gfotran", "matlab"]


def test_images_that_no_live_node_can_run(builder: SpoolBuilder, run_json: Json) -> None:
    image = Input("box.sif", "0" * 64, 1)
    builder.batch("anna/cavity", PENDING, image=image, architecture="aarch64")
    builder.node("alpha", ("x86_64",))
    builder.node("beta", ("x86_64",), troubles=("apptainer can't run images: no /dev/fuse",))
    foreign = "no live node has the capability aarch64, for which its image was built; the live ones could run one for x86_64"
    assert reasons(run_json) == [
        (
            "capability",
            "no live node has the capability apptainer; beta says: apptainer can't run images: no /dev/fuse",
        ),
        ("capability", foreign),
    ]
    builder.batch("anna/second", PENDING, image=image)
    builder.node("gamma", silent_s=None)
    builder.spool.ops.remove_tree(builder.spool.layout.node("beta").path)
    assert reasons(run_json, "anna/second") == [
        (
            "capability",
            "no live node has the capability apptainer; install Apptainer on one and start its nodewatch anew",
        )
    ]


def test_a_kind_that_no_node_runs(builder: SpoolBuilder, run_json: Json) -> None:
    builder.batch("anna/cavity", PENDING, kind="teleport")
    builder.node("alpha")
    assert reasons(run_json) == [("kind", "nodes of this version run no teleport batches")]


def test_no_live_node_has_all_of_them(builder: SpoolBuilder, run_json: Json) -> None:
    wait_for(builder, "gcc", "gpu")
    builder.node("alpha", ("gcc",))
    builder.node("beta", ("gpu",))
    builder.node("gamma", ("gpu", "gcc"), silent_s=None)
    assert reasons(run_json) == [
        ("combination", "no live node has all of gcc and gpu: alpha lacks gpu and beta lacks gcc"),
        ("node-silent", "gamma could run 2 jobs, but is stopped"),
    ]


def test_what_keeps_the_capable_nodes(builder: SpoolBuilder, run_json: Json) -> None:
    folder = wait_for(builder, "gcc")
    other = RunningJob("bob", "big", "x", 1, "running", time.time())
    builder.node("busy", ("gcc",), jobs=(other,))
    builder.node("drained", ("gcc",), draining=True)
    builder.node("free", ("gcc",), troubles=("odd",))
    builder.node("crammed", ("gcc",), troubles=("/s has only 59 MiB left",), scratch_full=True)
    builder.node("full", ("gcc",))
    builder.spool.layout.node("full").trouble.touch()
    builder.node("held", ("gcc",), holding="used less than 15m ago")
    builder.node("paused", ("gcc",), paused_until=time.time() + 900, paused_by="scratch")
    builder.node("quick", ("gcc",), quarantines=(Quarantine("anna", "cavity", time.time(), True),))
    builder.node("sick", ("gcc",), quarantines=(Quarantine("anna", "cavity", time.time()),))
    builder.node("unbuilt", ("gcc",))
    builder.build(folder, "unbuilt", ok=False, reason="make: *** Error 1")
    builder.node("wrong", ("python3",))
    output = builder.spool.layout.build_output("anna", "cavity", "unbuilt")
    output.write_text("make: *** Error 1")
    names = ["busy", "crammed", "drained", "free", "full", "held", "paused", "quick", "sick", "unbuilt"]
    told = dict(zip(names, reasons(run_json), strict=True))
    assert told["busy"] == ("node-busy", "busy could run 2 jobs, but is busy with bob/big/x (running)")
    assert told["drained"][0] == "node-draining"
    assert told["free"][0] == "node-free"
    assert told["free"][1] == "free could run 2 jobs, but hasn't yet. It says: odd"
    assert told["crammed"] == (
        "node-scratch-full",
        "crammed could run 2 jobs, but its scratch folder has too little room left. "
        "It says: /s has only 59 MiB left",
    )
    assert told["full"][0] == "node-full"
    assert told["held"] == (
        "node-holding",
        "held could run 2 jobs, but takes no more jobs: used less than 15m ago",
    )
    assert told["paused"][0] == "node-paused"
    assert told["paused"][1].endswith(" by a file in its scratch folder")
    assert told["quick"][0] == told["sick"][0] == "quarantine"
    assert told["quick"][1].endswith("it takes more once it is known how they fare on other nodes")
    assert told["sick"][1].endswith("when it is mended, type: distribute nodes --clear sick")
    assert told["unbuilt"] == (
        "build-failed",
        f"the build failed on unbuilt: make: *** Error 1; see {output}",
    )


@pytest.fixture
def chain(builder: SpoolBuilder) -> SpoolBuilder:
    """post waits for a (done) and b (running); late waits for bad (failed)."""
    tickets = {
        State.HELD: ["post~1", "late~1"],
        State.CLAIMED: ["b~1@alpha"],
        State.DONE: ["a~1@alpha"],
        State.FAILED: ["bad~1@alpha"],
    }
    specs = {
        "post": JobSpec("post", command="x", depends=("a", "b")),
        "late": JobSpec("late", command="x", depends=("bad",)),
    }
    builder.batch("anna/cavity", tickets, specs=specs)
    running = RunningJob("anna", "cavity", "b", 1, "running", 0.0, phase_since=time.time() - 1)
    builder.node("alpha", jobs=(replace(running, started_at=time.time() - 30),))
    builder.result("anna/cavity", "bad~1@alpha", {}, outcome=Outcome.FAILED, reason="exited with 2")
    builder.spool.layout.steward_lease.touch()
    return builder


def test_dependencies(chain: SpoolBuilder, run_json: Json) -> None:
    told = reasons(run_json)
    assert ("dependency", "post waits for b (running on alpha)") in told
    failed = "late waits for bad (failed), which didn't end well, and will be cancelled"
    assert ("dependency-failed", failed) in told
    assert ("running", "b was started 30 s ago on alpha") in told
    assert told[-1] == ("ended", "bad failed on alpha: exited with 2")
    assert len(told) == 4


def test_nothing_is_released_without_a_steward(chain: SpoolBuilder, run_json: Json) -> None:
    chain.spool.layout.steward_lease.unlink()
    assert ("no-steward", "no steward is alive") in [(c, t[:19]) for c, t in reasons(run_json)]


def test_one_job(chain: SpoolBuilder, run_json: Json, run: Run) -> None:
    assert reasons(run_json, "anna/cavity/post") == [("dependency", "post waits for b (running on alpha)")]
    ((cause, text),) = reasons(run_json, "anna/cavity/bad")
    assert cause == "ended"
    assert text == "bad doesn't wait: it failed on alpha 10 s ago: exited with 2"
    assert reasons(run_json, "anna/cavity/a")[0][1] == "a doesn't wait: it ended well on alpha"
    assert "did you mean post?" in run("explain", "anna/cavity/pots", code=4).stderr


def test_a_node_that_fell_silent_with_a_job(chain: SpoolBuilder, run_json: Json) -> None:
    lease = chain.spool.layout.node("alpha").lease
    os.utime(lease, (time.time() - 60, time.time() - 60))
    assert dict(reasons(run_json))["running"]
    os.utime(lease, (time.time() - 240, time.time() - 240))
    text = dict(reasons(run_json))["node-silent"]
    assert text.startswith("alpha has b, and has been silent for 4 min; others may take over")


def test_a_daemon_that_left_its_job_running(builder: SpoolBuilder, run_json: Json, run: Run) -> None:
    builder.batch("anna/cavity", {State.CLAIMED: ["a~1@alpha"]})
    job = RunningJob("anna", "cavity", "a", 1, "running", time.time() - 30)
    builder.node("alpha", jobs=(job,), leaving=True)
    ((cause, text),) = reasons(run_json)
    assert cause == "node-silent"
    assert text.startswith("the daemon of alpha has stopped, and a goes on there; ")
    (node,) = run_json("nodes")["nodes"]
    assert (node["life"], node["leaving"], len(node["jobs"])) == ("stopped", True, 1)
    assert "stopped, its job goes on" in run("nodes").stdout
    builder.spool.layout.node("alpha").lease.unlink()
    (node,) = run_json("nodes")["nodes"]
    assert (node["life"], node["leaving"], node["jobs"]) == ("stopped", False, [])


def test_a_paused_job(builder: SpoolBuilder, run_json: Json) -> None:
    builder.batch("anna/cavity", {State.CLAIMED: ["a~1@alpha"]})
    now = time.time()
    job = RunningJob("anna", "cavity", "a", 1, "paused", now - 600, phase_since=now - 30)
    builder.node("alpha", jobs=(job,), paused_until=time.time() + 60, paused_by="spool")
    ((cause, text),) = reasons(run_json)
    assert cause == "running"
    assert text.startswith("a has been paused for 30 s on alpha, which is paused until ")
    assert text.endswith(" by a file in the spool")


def test_a_job_that_is_paused_by_name(builder: SpoolBuilder, run_json: Json) -> None:
    """It isn't begun there; the others of its batch are."""
    builder.batch("anna/cavity", {State.PENDING: ["a~1", "b~1"]})
    builder.node("alpha", pauses=(JobPause(time.time() + 60, "spool (touched by bert)", ("anna/cavity/a",)),))
    assert "alpha could run 2 jobs" in reasons(run_json)[0][1]
    ((cause, text),) = reasons(run_json, "anna/cavity/a")
    assert cause == "node-paused"
    assert text.startswith("on alpha a is paused until ")
    assert text.endswith(" by a file in the spool (touched by bert)")


def test_a_result_on_its_way(builder: SpoolBuilder, run_json: Json) -> None:
    builder.batch("anna/cavity", {State.PUBLISHING: ["a~1@alpha"]})
    assert reasons(run_json) == [("publishing", "1 result is being archived: a")]


def test_kills(builder: SpoolBuilder, run_json: Json) -> None:
    folder = builder.batch("anna/cavity", {State.PENDING: ["a~1"], State.DONE: ["b~1@alpha"]})
    builder.node("alpha")
    folder.kill("b").write_text("too late")
    folder.kill("a").write_text("wrong mesh\n")
    killed, _ = reasons(run_json)
    assert killed[0] == "killed"
    assert " asked to cancel a: wrong mesh; " in killed[1]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make another user's file")
def test_a_kill_by_somebody_else(builder: SpoolBuilder, run_json: Json) -> None:
    folder = wait_for(builder)
    builder.node("alpha")
    folder.kill().touch()
    os.chown(folder.kill(), 12345, -1)
    cause, text = reasons(run_json)[0]
    assert cause == "kill-ignored"
    assert text == "12345 tried to cancel the batch, in vain: only anna, the service user and root can"


def test_why_a_job_was_cancelled_that_never_ran(builder: SpoolBuilder, run: Run) -> None:
    tickets = {State.FAILED: ["a~1@n"], State.CANCELLED: ["b~1", "c~1"]}
    specs = {"b": JobSpec("b", command="x", depends=("a",))}
    folder = builder.batch("anna/cavity", tickets, finished=True, specs=specs)
    expected = "b doesn't wait: it was cancelled: it depends on a (failed)\n"
    assert run("explain", "anna/cavity/b").stdout == expected
    assert run("explain", "anna/cavity/c").stdout == "c doesn't wait: it was cancelled\n"
    folder.kill("c").write_text("wrong mesh\n")
    said = run("explain", "anna/cavity/c").stdout
    assert said.startswith("c doesn't wait: it was cancelled: ")
    assert said.endswith(" cancelled it: wrong mesh\n")


def test_a_finished_batch(builder: SpoolBuilder, run: Run) -> None:
    tickets = {State.DONE: ["a~1@n", "b~1@n"], State.FAILED: ["c~1@n"]}
    builder.batch("anna/cavity", tickets, finished=True)
    assert run("explain", "anna/cavity").stdout == "no job waits: 2 done and 1 failed\nc failed on n\n"


def test_a_batch_that_no_node_could_build(builder: SpoolBuilder, run: Run, run_json: Json) -> None:
    folder = builder.batch("anna/cavity", {State.FAILED: ["a~1", "b~1"]}, finished=True)
    builder.build(folder, "alpha", ok=False, reason="no rule")
    why = "no node could build the batch: alpha (no rule)"
    assert run("explain", "anna/cavity/a").stdout == f"a doesn't wait: it failed: {why}\n"
    assert run("explain", "anna/cavity").stdout == f"no job waits: 2 failed\na and b failed: {why}\n"
    assert [job["reason"] for job in run_json("status", "anna/cavity")["jobs"]] == [why, why]
    assert f"  {why}\n" in run("status", "anna/cavity/a").stdout


def test_how_the_jobs_of_a_finished_batch_ended(builder: SpoolBuilder, run: Run, run_json: Json) -> None:
    """What `distribute pull` sends people to."""
    names = [f"j{number:02}" for number in range(14)]
    tickets = {State.DONE: ["z~1@n"], State.FAILED: [f"{name}~1@n" for name in names]}
    folder = builder.batch("anna/cavity", {**tickets, State.CANCELLED: ["a~1", "b~1"]}, finished=True)
    for name in names:
        reason = f"exited with {name}"
        builder.result("anna/cavity", f"{name}~1@n", {}, outcome=Outcome.FAILED, reason=reason)
    folder.kill().write_text("wrong mesh\n")
    lines = run("explain", "anna/cavity").stdout.splitlines()
    assert lines[0] == "no job waits: 1 done, 14 failed and 2 cancelled"
    assert lines[1].startswith("a and b were cancelled: ")
    assert lines[1].endswith(" cancelled it: wrong mesh")
    assert lines[2] == "j00 failed on n: exited with j00"
    assert lines[-1] == "5 more jobs ended badly; see them with: distribute status anna/cavity"
    assert len(lines) == 12
    told = [job["reason"] for job in run_json("status", "anna/cavity")["jobs"] if job["state"] == "cancelled"]
    assert len(told) == 2
    assert all(reason.endswith(" cancelled it: wrong mesh") for reason in told)


def test_a_build_record_that_cannot_be_read(builder: SpoolBuilder, run_json: Json) -> None:
    folder = wait_for(builder)
    builder.node("alpha")
    folder.build_mark("alpha", ok=False).touch()
    ((cause, text),) = reasons(run_json)
    assert cause == "build-failed"
    assert "is no BuildRecord" in text


@pytest.mark.parametrize("way", ["file", "folder", "bundle"])
def test_a_batch_that_nobody_has_admitted(run: Run, builder: SpoolBuilder, way: str) -> None:
    text = "meta: {batch_name: new, namespace: anna}\ncommand:\n  jobs: [{name: a, command: x}]\n"
    incoming = builder.spool.layout.incoming
    (incoming / "broken.yaml").write_text("{")
    (incoming / "broken.bundle").write_text("{")
    if way == "bundle":
        drop_bundle(builder.spool, collect(load_text(text, "x"), incoming), "mine")
    else:
        place = incoming / "mine.yaml" if way == "file" else incoming / "mine" / "job.yaml"
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    for words in (["explain", "anna/new"], ["status", "anna/new"], ["logs", "anna/new/a"]):
        error = run(*words, code=4).stderr
        assert error.startswith("error: anna/new isn't admitted yet: it was submitted as mine")
        assert "no daemon runs that would take it" in error
    builder.spool.layout.steward_lease.touch()
    assert "the steward" in run("status", "anna/new/a", code=4).stderr


def test_no_such_batch(run: Run) -> None:
    assert "shown by: distribute status" in run("explain", "anna/none", code=4).stderr


def test_a_job_that_was_seen_nowhere(builder: SpoolBuilder, run_json: Json) -> None:
    folder = wait_for(builder)
    builder.node("alpha")
    (folder.state(State.PENDING) / "b~1").unlink()
    assert reasons(run_json)[-1] == ("moving", "b moved while this was read; ask again")


def test_every_cause_has_a_value_of_its_own() -> None:
    assert len({cause.value for cause in Cause}) == len(Cause)


def test_what_became_of_lost_attempts(builder: SpoolBuilder, run_json: Json) -> None:
    folder = builder.batch("anna/cavity", {State.PENDING: ["a~3"], State.FAILED: ["b~3"]})
    marks = ["a~1@alpha.lost", "a~2@beta.returned", "b~1@alpha.lost", "b~2@beta.lost", "b~3@gamma.lost"]
    folder.losses.mkdir(exist_ok=True)
    for mark in marks:
        (folder.losses / mark).touch()
    told = ("lost", "a is tried again: attempt 1 was lost with alpha and attempt 2 was given back by beta")
    assert told in reasons(run_json)
    (ended,) = run_json("explain", "anna/cavity/b")["reasons"]
    assert ended["text"] == "b doesn't wait: it failed: it was lost with 3 nodes: alpha, beta, gamma"


# Batches before others, rests, sizes

HELD = {State.HELD: ["a~1", "b~1"]}


def test_a_batch_before_it_that_isnt_there_or_has_work(builder: SpoolBuilder, run_json: Json) -> None:
    builder.batch("anna/later", HELD, after=("anna/meshes", "anna/none"))
    builder.batch("anna/meshes", {State.PENDING: ["m~1"]})
    steward_lives(builder)
    assert reasons(run_json, "anna/later") == [
        ("after", "a and b wait for anna/meshes (has work left) and anna/none (isn't there yet)")
    ]
    report = run_json("status", "anna/later")
    assert report["after"] == [
        {"batch": "anna/meshes", "standing": "unfinished"},
        {"batch": "anna/none", "standing": "absent"},
    ]


def test_a_batch_before_it_that_ended_badly(builder: SpoolBuilder, run_json: Json, run: Run) -> None:
    ended = {State.CANCELLED: ["a~1"]}
    builder.batch("anna/later", HELD, after=("anna/meshes", "anna/none"))
    builder.batch("anna/last", ended, after=("anna/meshes",), finished=True)
    builder.batch("anna/meshes", {State.DONE: ["m~1@n"], State.FAILED: ["n~1@n"]}, finished=True)
    steward_lives(builder)
    told = "a and b wait for anna/meshes (ended with jobs that aren't done), and will be cancelled"
    assert reasons(run_json, "anna/later") == [("after-failed", told)]
    ((cause, text),) = reasons(run_json, "anna/last/a")
    assert cause == "ended"
    assert text.endswith("cancelled: it comes after anna/meshes, which ended with jobs that aren't done")
    assert run_json("status", "anna/last")["jobs"][0]["reason"] == (
        "it comes after anna/meshes, which ended with jobs that aren't done"
    )
    assert "it comes after anna/meshes (ended with jobs" in run("status", "anna/later").stdout


def test_batches_that_wait_for_each_other(builder: SpoolBuilder, run_json: Json) -> None:
    builder.batch("n/a", HELD, after=("n/x", "n/b"))
    builder.batch("n/b", HELD, after=("n/c",))
    builder.batch("n/c", HELD, after=("n/a", "n/b"))
    steward_lives(builder)
    ((cause, text),) = reasons(run_json, "n/a")
    assert cause == "after"
    assert text == (
        "a and b wait for batches that wait for each other: n/a → n/b → n/c → n/a; "
        "cancel one with: distribute kill"
    )


def test_a_rest_after_an_error(builder: SpoolBuilder, run_json: Json, run: Run) -> None:
    builder.batch("anna/cavity", {State.HELD: ["a~3", "b~2"], State.DONE: ["c~1@n"]})
    for kept in ("a~1", "a~2"):
        builder.result("anna/cavity", f"{kept}@n", {}, folder=kept, outcome=Outcome.FAILED)
    steward_lives(builder)
    assert reasons(run_json) == [
        ("dependency", "b waits for the steward to see that all dependencies are done"),
        ("resting", "a rests for 20 s before attempt 3, after 2 errors"),
    ]
    assert run_json("status", "anna/cavity")["jobs"][0]["reason"] == (
        "rests for 20 s before attempt 3, after 2 errors"
    )
    assert "rests for 20 s" in run("status", "anna/cavity/a").stdout


def test_a_job_larger_than_any_node(builder: SpoolBuilder, run_json: Json, run: Run) -> None:
    large, held = (JobSpec(name, command="x", resources=Resources(cores=9)) for name in "ad")
    builder.batch(
        "anna/cavity",
        {State.PENDING: ["a~1", "b~1"], State.HELD: ["d~1"], State.DONE: ["c~1@n"]},
        specs={"a": large, "d": replace(held, depends=("a",)), "c": JobSpec("c", resources=large.resources)},
        capabilities=("gcc",),
    )
    builder.node("alpha", ("gcc",))
    builder.node("beta", ("python3",))
    steward_lives(builder)
    found = reasons(run_json)
    assert ("too-large", "more cores than any capable node has (8): a and d") in found
    assert next(text for cause, text in found if cause == "node-free").startswith("alpha could run 1 job")
    assert run_json("status", "anna/cavity")["warnings"] == [
        "more cores than any capable node has (8): a and d"
    ]
    assert "more cores than any capable node has (8): a and d" in run("status", "anna/cavity").stdout


def steward_lives(builder: SpoolBuilder) -> None:
    builder.spool.layout.steward_lease.touch()


def test_which_rule_lets_others_go_first(builder: SpoolBuilder, run_json: Json) -> None:
    wait_for(builder)
    builder.batch("anna/older", {State.PENDING: ["x~1", "y~1"]}, submitted_at=1.0)
    builder.batch("anna/elsewhere", {State.PENDING: ["x~1"]}, submitted_at=1.0, capabilities=("matlab",))
    builder.batch("bob/other", {State.PENDING: ["x~1"]}, submitted_at=time.time() + 100)
    mine = RunningJob("anna", "before", "x", 1, "running", time.time(), cores=2)
    builder.node("alpha", jobs=(mine,))
    busy, order = reasons(run_json)
    assert busy[0] == "node-busy"
    assert busy[1].endswith("anna/before/x (running); 6 of its 8 cores are free")
    assert order == (
        "order",
        "on alpha 3 jobs go before a: 1 is of a namespace with less at work and 2 are older",
    )

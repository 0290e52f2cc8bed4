"""distribute status: the overview, a batch, a job, and how long it takes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import statistics
import struct
import termios
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from distribute_cli.reports.overview import Counts
from spoold.codec import encode
from spoold.node_records import NodeStatus, RunningJob
from spoold.records import EndedBy, JobSpec, Outcome, Resources
from spoold.tickets import State, Ticket
from tests.cli.conftest import Launch, Run, SpoolBuilder
from tests.cli.daemons import cpu_bare_s, cpu_s

Json = Callable[..., Any]

LIVE = {
    State.HELD: ["post~1"],
    State.PENDING: ["job_3~2", "job_4~1"],
    State.CLAIMED: ["job_1~1@alpha", "job_2~1@beta"],
    State.DONE: ["job_0~1@alpha"],
    State.FAILED: ["job_5~1@alpha"],
}


@pytest.fixture
def lab(builder: SpoolBuilder) -> SpoolBuilder:
    """A batch with work on two nodes, one of them paused, and a finished batch."""
    builder.batch("anna/cavity", LIVE, capabilities=("gcc",))
    running = [RunningJob("anna", "cavity", "job_1", 1, "running", time.time() - 5, 4.2, 2**20)]
    builder.node("alpha", jobs=(*running,))
    pause = {"paused_until": time.time() + 600, "paused_by": "spool (touched by bert)"}
    paused = [RunningJob("anna", "cavity", "job_2", 1, "paused", time.time() - 5, **pause)]  # type: ignore[arg-type]
    builder.node("beta", jobs=(*paused,), paused_until=time.time() + 600, paused_by="spool")
    builder.batch("bob/old", {State.DONE: ["only~1@alpha"]}, finished=True, age_s=7200, submitter="bob")
    bad: dict[str, Any] = {"outcome": Outcome.FAILED, "exit_code": 3, "reason": "exited with 3"}
    builder.result("anna/cavity", "job_5~1@alpha", {"stderr.txt": "no"}, **bad)
    builder.result("anna/cavity", "job_0~1@alpha", {"stdout.txt": "fine"})
    return builder


def test_overview(lab: SpoolBuilder, run_json: Json) -> None:
    seen = run_json("status")
    (batch,) = seen["batches"]
    assert (batch["namespace"], batch["batch"], batch["submitter"]) == ("anna", "cavity", "anna")
    assert batch["counts"] == asdict(Counts(held=1, pending=2, claimed=2, done=1, failed=1))
    assert batch["running_on"] == [
        {"node": "alpha", "jobs": 1, "paused": 0},
        {"node": "beta", "jobs": 1, "paused": 1},
    ]
    assert batch["ended_at"] is None
    (old,) = seen["finished"]
    assert (old["batch"], old["counts"]["done"]) == ("old", 1)
    assert abs(old["ended_at"] - time.time()) < 60
    assert seen["finished_more"] == 0


def test_overview_for_people(lab: SpoolBuilder, run: Run) -> None:
    text = run("status").stdout
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert rows["anna/cavity"].split()[1:] == [
        "anna", "60", "s", "7", "3", "2", "1", "1", "0", "alpha:", "1,", "beta:", "1", "(1", "paused)",
    ]  # fmt: skip
    assert rows["bob/old"].split()[-4:] == ["1", "1", "0", "0"]


def test_a_namespace(lab: SpoolBuilder, run: Run, run_json: Json) -> None:
    seen = run_json("status", "bob")
    assert not seen["batches"]
    assert [batch["batch"] for batch in seen["finished"]] == ["old"]
    said = run("status", "anne", code=4).stderr
    assert said.startswith("error: there is no namespace anne: ")
    assert said.endswith("\n  did you mean anna?\n")


def test_a_ticket_that_was_seen_twice_counts_once(builder: SpoolBuilder, run_json: Json) -> None:
    tickets = {State.CLAIMED: ["a~1@alpha"], State.PUBLISHING: ["a~1@alpha"], State.PENDING: ["b~1"]}
    builder.batch("anna/moving", tickets, jobs_total=2)
    (batch,) = run_json("status")["batches"]
    assert batch["counts"] == asdict(Counts(pending=1, publishing=1))


def test_the_newest_finished_batches_come_first_and_are_limited(
    builder: SpoolBuilder, run: Run, run_json: Json
) -> None:
    now = time.time()
    for number in range(13):
        folder = builder.batch(f"anna/b{number:02}", {State.DONE: ["a~1@n"]}, finished=True)
        for state in State:
            os.utime(folder.state(state), (now - number, now - number))
    seen = run_json("status")
    assert [batch["batch"] for batch in seen["finished"]] == [f"b{number:02}" for number in range(10)]
    assert seen["finished_more"] == 3
    assert "and 3 more; see them with --all" in run("status").stdout
    assert len(run_json("status", "--all")["finished"]) == 13


def test_drops_and_rejections(builder: SpoolBuilder, run: Run, run_json: Json) -> None:
    layout = builder.spool.layout
    for name in ("new.yaml", "input.dat", ".hidden.yaml", "other.bundle"):
        (layout.incoming / name).touch()
    (layout.incoming / "folder").mkdir()
    (layout.incoming / "link.yaml").symlink_to("new.yaml")
    os.mkfifo(layout.incoming / "pipe.yaml")
    (layout.rejected / "bad.yaml").touch()
    (layout.rejected / "bad.yaml.reason.txt").write_text("bad.yaml:3:1: tab: \x1b[31mno\nsecond line\n")
    seen = run_json("status")
    kinds = {drop["name"]: drop["kind"] for drop in seen["incoming"]}
    drops = {"new.yaml": "job file", "other.bundle": "bundle", "folder": "folder"}
    assert kinds == {**drops, "input.dat": "ignored", "link.yaml": "ignored", "pipe.yaml": "ignored"}
    assert [one["name"] for one in seen["rejected"]] == ["bad.yaml"]
    text = run("status").stdout
    assert "bad.yaml:3:1: tab: \\x1b[31mno" in text
    assert "second line" not in text
    notes = {line.split()[0]: line.partition("left alone: ")[2] for line in text.splitlines() if line}
    assert notes["link.yaml"].startswith("a link, which nobody follows")
    assert notes["pipe.yaml"].startswith("no regular file")
    assert notes["input.dat"].endswith("A job file is called NAME.yaml")
    assert notes["new.yaml"] == ""


def test_many_and_long_rejections_do_not_fill_the_screen(builder: SpoolBuilder, run: Run) -> None:
    rejected = builder.spool.layout.rejected
    for number in range(7):
        (rejected / f"{number}{'x' * 180}.reason.txt").write_text("y" * 500)
    lines = run("status").stdout.splitlines()
    shown = [line for line in lines if "xxx" in line]
    assert len(shown) == 5
    assert max(map(len, shown)) < 250
    assert all("…" in line for line in shown)
    assert lines[-1].endswith("; 2 more")
    (rejected / "z.reason.txt").write_text("short")
    (short,) = [line for line in run("status").stdout.splitlines() if line.startswith("z ")]
    assert len(short) < 70


def test_what_others_put_into_rejected_does_not_hang_us(builder: SpoolBuilder, run_json: Json) -> None:
    rejected = builder.spool.layout.rejected
    os.mkfifo(rejected / "pipe.yaml.reason.txt")
    (rejected / "link.yaml.reason.txt").symlink_to("/etc/passwd")
    reasons = [one["reason"] for one in run_json("status")["rejected"]]
    assert reasons == ["", ""]


def test_a_broken_record_does_not_hide_the_rest(lab: SpoolBuilder, run_json: Json) -> None:
    folder = lab.batch("anna/broken", {State.PENDING: ["a~1"]})
    folder.header.write_text("{}")
    lab.spool.layout.node("alpha").running.write_text("")
    seen = run_json("status")
    assert [batch["batch"] for batch in seen["batches"]] == ["cavity"]
    assert len(seen["troubles"]) == 2


def test_a_broken_record_does_not_hide_a_batch(lab: SpoolBuilder, run: Run, run_json: Json) -> None:
    lab.spool.layout.node("alpha").running.write_text("[]")
    (lab.spool.layout.archived_job("anna", "cavity", "job_5") / ".job.json").write_text("{")
    jobs = {job["job"]: job for job in run_json("status", "anna/cavity")["jobs"]}
    assert (jobs["job_5"]["state"], jobs["job_5"]["exit_code"]) == ("failed", None)
    assert jobs["job_2"]["phase"] == "paused"
    assert "is no JobRecord" in run("status", "anna/cavity/job_5", code=1).stderr


def test_a_batch(lab: SpoolBuilder, run_json: Json) -> None:
    seen = run_json("status", "anna/cavity")
    jobs = {job["job"]: job for job in seen["jobs"]}
    assert [job["state"] for job in seen["jobs"]] == [
        "done", "claimed", "claimed", "pending", "pending", "failed", "held",
    ]  # fmt: skip
    assert jobs["job_3"]["attempt"] == 2
    assert (jobs["job_1"]["node"], jobs["job_1"]["phase"]) == ("alpha", "running")
    assert (jobs["job_5"]["exit_code"], jobs["job_5"]["reason"]) == (3, "exited with 3")
    assert jobs["job_0"]["ended_at"] - jobs["job_0"]["started_at"] == pytest.approx(20)
    assert seen["counts"]["claimed"] == 2


def test_a_job_has_started_when_its_process_did(lab: SpoolBuilder, run_json: Json) -> None:
    now = time.time()
    job = RunningJob("anna", "cavity", "job_1", 1, "running", now - 5, started_at=now - 7)
    lab.spool.layout.node("alpha").running.write_bytes(encode(NodeStatus(now, (job,))))
    assert run_json("status", "anna/cavity/job_1")["now"]["started_at"] == job.started_at


def test_a_batch_for_people_is_plain_and_whole(lab: SpoolBuilder, run: Run) -> None:
    long = "x" * 300
    lab.result("anna/cavity", "job_5~1@alpha", {}, outcome=Outcome.FAILED, exit_code=3, reason=long)
    lines = run("status", "anna/cavity").stdout.splitlines()
    (row,) = [line for line in lines if line.startswith("job_5")]
    assert row.endswith(f"3  {long}")
    assert not any(line != line.rstrip() for line in lines)
    (running,) = [line for line in lines if line.startswith("job_2")]
    assert "claimed (paused)" in running
    assert running.endswith("by a file in the spool (touched by bert)")
    assert "by a file in the spool (touched by bert)" in run("status", "anna/cavity/job_2").stdout


def test_the_record_of_an_earlier_attempt_is_not_this_one_s(lab: SpoolBuilder, run_json: Json) -> None:
    lab.result("anna/cavity", "job_3~1@alpha", {}, outcome=Outcome.FAILED, exit_code=9)
    job = run_json("status", "anna/cavity/job_3")
    assert job["now"]["exit_code"] is None
    assert [attempt["exit_code"] for attempt in job["attempts"]] == [9]


def test_a_job(lab: SpoolBuilder, run: Run, run_json: Json) -> None:
    lab.result(
        "anna/cavity", "job_1~1@beta", {"out": "123"}, folder="job_1~1", outcome=Outcome.FAILED, exit_code=1
    )
    seen = run_json("status", "anna/cavity/job_1")
    assert seen["now"]["state"] == "claimed"
    assert seen["cpu_s"] == 4.2
    (attempt,) = seen["attempts"]
    assert (attempt["folder"], attempt["files"], attempt["size_bytes"]) == ("job_1~1", 1, 3)
    text = run("status", "anna/cavity/job_1").stdout
    assert "claimed, attempt 1, running\n" in text
    assert re.search(r"^node +\w+, since ", text, re.M)
    assert "4.2 s of CPU, 1.0 MiB" in text


def test_a_kill_is_told_until_what_it_hits_has_ended(builder: SpoolBuilder, run_json: Json) -> None:
    folder = builder.batch("anna/x", {State.PENDING: ["a~1", "b~1"]})
    folder.kill("a").touch()
    assert run_json("status", "anna/x")["kill_requested"]
    builder.move(folder, State.PENDING, "a~1", State.CANCELLED, "a~1")
    assert not run_json("status", "anna/x")["kill_requested"]
    folder.kill().touch()
    assert run_json("status", "anna/x")["kill_requested"]


def test_what_a_job_asked_for(builder: SpoolBuilder, run: Run) -> None:
    spec = JobSpec(
        "a", command="./run", resources=Resources(2, 2**30, None, 7200.0), retries=3, depends=("b",)
    )
    builder.batch("anna/x", {State.HELD: ["a~1"], State.PENDING: ["b~1"]}, specs={"a": spec})
    text = run("status", "anna/x/a").stdout
    assert "2 cores, 1.0 GiB, at most 2 h" in text
    assert "depends on  b" in text


def test_names_that_are_not_there(lab: SpoolBuilder, run: Run) -> None:
    said = run("status", "anna/cavty", code=4).stderr
    assert said.startswith("error: there is no batch anna/cavty: ")
    assert said.endswith("  did you mean anna/cavity?\n")
    assert "did you mean job_1" in run("status", "anna/cavity/job1", code=4).stderr


def test_only_likely_names_are_offered(builder: SpoolBuilder, run: Run) -> None:
    for key in ("anna/pyb", "anna/pydrop", "anna/slow", "bob/cavity"):
        builder.batch(key, {State.PENDING: ["a~1"]})
    for key in ("anna/big1", "anna/nope"):
        assert "did you mean" not in run("status", key, code=4).stderr
    assert "did you mean bob/cavity?" in run("status", "bobb/cavty", code=4).stderr
    assert "did you mean anna/pyb?" in run("status", "anna/PYB", code=4).stderr


def test_watch_and_json_exclude_each_other(run: Run) -> None:
    run("status", "--watch", "--json", code=2)


def test_watch_redraws_on_a_terminal(lab: SpoolBuilder, launch: Launch) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    # Where tests run side by side, these two say another size.
    env = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")}
    process = launch("status", "--watch", stdout=slave, env={**env, "TERM": "xterm"})
    os.close(slave)
    _read_until(master, b"anna/cavity")
    lab.batch("carl/late", {State.PENDING: ["a~1"]})
    _read_until(master, b"carl/late")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    os.close(master)
    assert process.returncode == 130


def _read_until(descriptor: int, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        seen += os.read(descriptor, 65536)


@pytest.mark.timeout(400)
def test_status_of_a_hundred_thousand_finished_jobs_is_fast(builder: SpoolBuilder, run: Run) -> None:
    for number in range(100):
        builder.batch(f"anna/b{number:03}", {State.DONE: []}, finished=True, jobs_total=1000)
        done = builder.spool.layout.finished_batch("anna", f"b{number:03}").state(State.DONE)
        _create(done, [str(Ticket(f"job_{n}", 1, "alpha")) for n in range(1000)])
        assert len(os.listdir(done)) == 1000
    for arguments in ([], ["--all"]):
        pairs = [(cpu_s("-m", "distribute_cli", "status", *arguments), cpu_bare_s()) for _ in range(3)]
        took_s, bare_s = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"distribute status {arguments}: {took_s:.3f} s of CPU, Python with click {bare_s:.3f} s")
        # A machine on which Python takes that long by itself says nothing of us.
        assert took_s < max(0.5, 8.0 * bare_s)
    assert run("status", "--all").stdout.count(" 1000 ") == 200


def _create(folder: Path, names: list[str]) -> None:
    """Names of one empty file: that is twice as fast as files, and a listing is as long."""
    (folder / names[0]).touch()
    for name in names[1:]:
        os.link(folder / names[0], folder / name)


@pytest.mark.parametrize(
    ("ending", "shown"),
    [
        (EndedBy.OUT_OF_MEMORY, "out of memory"),
        (EndedBy.TIME_LIMIT, "time limit"),
        (EndedBy.SIGNAL, "signal 9"),
        (None, "signal 9"),
    ],
)
def test_an_ending_has_a_name(
    builder: SpoolBuilder, run: Run, run_json: Json, ending: EndedBy | None, shown: str
) -> None:
    builder.batch("anna/ended", {State.FAILED: ["a~1@n"]}, finished=True)
    changes: dict[str, Any] = {"outcome": Outcome.FAILED, "exit_code": None, "signal": 9, "ending": ending}
    builder.result("anna/ended", "a~1@n", {}, **changes)
    for target in ("anna/ended", "anna/ended/a"):
        assert shown in run("status", target).stdout
    now, (attempt,) = (run_json("status", "anna/ended/a")[key] for key in ("now", "attempts"))
    assert now["ending"] == attempt["ending"] == (ending and ending.value)

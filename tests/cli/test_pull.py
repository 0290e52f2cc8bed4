"""distribute pull: what comes, what stays, what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spoold.codec import decode, encode
from spoold.records import ArchivedFile, JobRecord, Outcome
from spoold.tickets import State
from tests.cli.conftest import Launch, Run, SpoolBuilder
from tests.cli.daemons import on_terminal
from tests.support import wait_until

KEY = "anna/cavity"
OUT = Path("distribute-results/anna/cavity")
JOB_FILE = """\
meta: {batch_name: cavity, namespace: anna}
python:
  initialize: {build_file: not-on-this-machine.py}
  jobs: [{name: re100, file: nor-this-one.py}]
"""
Json = Callable[..., Any]


@pytest.fixture
def lab(builder: SpoolBuilder) -> SpoolBuilder:
    """A finished batch of three jobs, one of which failed, with its build's output."""
    tickets = {State.DONE: ["re100~1@alpha", "re400~2@beta"], State.FAILED: ["re1000~1@alpha"]}
    builder.batch(KEY, tickets, finished=True)
    builder.result(
        KEY, "re100~1@alpha", {"stdout.txt": "100", "stderr.txt": "", "out/u.csv": "1,2", "out/v.csv": "3"}
    )
    builder.result(KEY, "re400~2@beta", {"stdout.txt": "400", "out/u.csv": "4,5"})
    builder.result(KEY, "re400~1@beta", {"stdout.txt": "first try"}, folder="re400~1", outcome=Outcome.FAILED)
    bad: dict[str, Any] = {"outcome": Outcome.FAILED, "exit_code": 1}
    builder.result(KEY, "re1000~1@alpha", {"stdout.txt": "boom"}, **bad)
    builder.spool.layout.build_output("anna", "cavity", "alpha").write_text("cc\n")
    return builder


def pulled() -> dict[str, str]:
    """All files at the destination, with their content."""
    root = Path("distribute-results")
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def names() -> set[str]:
    """All files of the batch at the destination, but for records."""
    return {name.removeprefix("anna/cavity/") for name in pulled() if not name.endswith(".job.json")}


ALL = {
    "job.yaml",
    "cavity_build_output-alpha.txt",
    "re100/stdout.txt",
    "re100/stderr.txt",
    "re100/out/u.csv",
    "re100/out/v.csv",
    "re400/stdout.txt",
    "re400/out/u.csv",
    "re1000/stdout.txt",
}


def test_everything_by_the_job_file_alone(lab: SpoolBuilder, run: Run) -> None:
    Path("distribute-jobs.yaml").write_text(JOB_FILE)
    said = run("pull").stdout
    assert names() == ALL
    assert pulled()["anna/cavity/re100/out/u.csv"] == "1,2"
    assert said.startswith("pulled 12 files (")
    assert said.endswith(f" to {Path.cwd() / OUT}\n")
    for job in ("re100", "re400", "re1000"):
        assert (OUT / job / ".job.json").read_bytes() == (
            lab.spool.layout.archived_job("anna", "cavity", job) / ".job.json"
        ).read_bytes()
    assert not list(Path("distribute-results").rglob("*.part"))


def test_by_key_and_by_path(lab: SpoolBuilder, run: Run, tmp_path: Path) -> None:
    run("pull", KEY, "--save-dir", "a")
    (tmp_path / "mine.yaml").write_text(JOB_FILE)
    run("pull", tmp_path / "mine.yaml", "--save-dir", "b")
    assert {p.name for p in Path("a").rglob("*")} == {p.name for p in Path("b").rglob("*")}


def test_what_is_there_is_not_copied_again_and_what_was_deleted_comes_back(
    lab: SpoolBuilder, run_json: Json
) -> None:
    first = run_json("pull", KEY)
    assert {file["action"] for file in first["files"]} == {"copied"}
    inode = (OUT / "re100/stdout.txt").stat().st_ino
    (OUT / "re100/out/u.csv").unlink()
    second = {file["path"]: file["action"] for file in run_json("pull", KEY)["files"]}
    assert second.pop("re100/out/u.csv") == "copied"
    assert set(second.values()) == {"present"}
    assert (OUT / "re100/out/u.csv").read_text() == "1,2"
    assert (OUT / "re100/stdout.txt").stat().st_ino == inode


def test_a_changed_file_is_replaced_and_a_touched_one_is_kept(lab: SpoolBuilder, run_json: Json) -> None:
    run_json("pull", KEY)
    changed, touched, cut = OUT / "re100/stdout.txt", OUT / "re400/stdout.txt", OUT / "re1000/stdout.txt"
    changed.write_text("XXX")
    os.utime(touched, (1, 1))
    cut.write_text("b")
    actions = {file["path"]: file["action"] for file in run_json("pull", KEY)["files"]}
    copied = {path for path, action in actions.items() if action == "copied"}
    assert copied == {"re100/stdout.txt", "re1000/stdout.txt"}
    assert (changed.read_text(), cut.read_text()) == ("100", "boom")
    assert touched.stat().st_mtime > 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--filter", r"\.csv$"], {"re100/out/u.csv", "re100/out/v.csv", "re400/out/u.csv"}),
        (
            ["--filter", "^re100/", "--exclude", "v[.]csv"],
            {"re100/stdout.txt", "re100/stderr.txt", "re100/out/u.csv"},
        ),
        (
            ["--filter", "u.csv", "--filter", "v.csv", "--exclude", "re400"],
            {"re100/out/u.csv", "re100/out/v.csv"},
        ),
        (["--exclude", "^re", "--exclude", "build"], {"job.yaml"}),
        (["--filter", "nothing is called so"], set()),
    ],
)
def test_filters(lab: SpoolBuilder, run: Run, options: list[str], expected: set[str]) -> None:
    run("pull", KEY, *options)
    assert names() == expected
    jobs = {name.split("/")[0] for name in expected if "/" in name}
    assert {path.parent.name for path in OUT.rglob(".job.json")} == jobs


def test_records_can_be_excluded_and_asked_for(lab: SpoolBuilder, run: Run) -> None:
    run("pull", KEY, "--filter", "csv", "--exclude", r"\.job\.json")
    assert not list(OUT.rglob(".job.json"))
    run("pull", KEY, "--filter", r"\.job\.json$", "--save-dir", "records")
    assert len(list(Path("records").rglob("*.json"))) == 3


def test_a_filter_that_is_no_regular_expression(lab: SpoolBuilder, run: Run) -> None:
    said = run("pull", KEY, "--filter", "ok", "--filter", "u(csv", code=2).stderr
    assert said == (
        "error: --filter 'u(csv' is no regular expression: missing ), unterminated subpattern at position 1\n"
        "  u(csv\n   ^\n"
    )
    assert "--exclude '*'" in run("pull", KEY, "--exclude", "*", code=2).stderr


def test_dry_writes_nothing(lab: SpoolBuilder, run: Run, run_json: Json) -> None:
    said = run("pull", KEY, "--dry", "--filter", "csv").stdout
    assert "re100/out/u.csv  3 B\n" in said
    assert "would pull 5 files" in said
    assert not Path("distribute-results").exists()
    report = run_json("pull", KEY, "--dry")
    assert report["dry"]
    assert {file["action"] for file in report["files"]} == {"wanted"}


def test_attempts_come_when_asked_for(lab: SpoolBuilder, run: Run) -> None:
    run("pull", KEY, "--attempts", "--filter", "~1/")
    assert names() == {"re400~1/stdout.txt"}


def test_a_batch_that_is_not_finished(builder: SpoolBuilder, run: Run, run_json: Json) -> None:
    tickets = {State.DONE: ["a~1@alpha"], State.PENDING: ["b~1", "c~1"], State.CLAIMED: ["d~1@alpha"]}
    builder.batch(KEY, tickets)
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "a"})
    result = run("pull", KEY, code=5)
    assert names() == {"job.yaml", "a/stdout.txt"}
    assert result.stderr == (
        "error: 1 job has no result in anna/cavity (claimed): d\n"
        "  2 jobs have no result in anna/cavity (pending): b and c\n"
        "  to see why: distribute explain anna/cavity\n"
    )
    missing = run_json("pull", KEY, code=5)["missing"]
    assert {one["job"]: one["state"] for one in missing} == {"b": "pending", "c": "pending", "d": "claimed"}


def test_a_job_that_is_retried_is_missing_although_its_first_result_is_there(
    builder: SpoolBuilder, run: Run, run_json: Json
) -> None:
    builder.batch(KEY, {State.PENDING: ["a~2"], State.CANCELLED: ["b~1"], State.PUBLISHING: ["c~1@alpha"]})
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "first"}, outcome=Outcome.FAILED)
    builder.result(KEY, "c~1@alpha", {"stdout.txt": "c"})
    missing = run_json("pull", KEY, code=5)["missing"]
    assert {one["job"]: one["state"] for one in missing} == {"a": "pending", "b": "cancelled"}
    assert names() == {"job.yaml", "a/stdout.txt", "c/stdout.txt"}


def test_a_batch_that_is_being_admitted(builder: SpoolBuilder, run_json: Json) -> None:
    folder = builder.batch(KEY, {State.PENDING: ["a~1"]})
    os.rename(folder.path, builder.spool.layout.admitted("anna", "cavity"))
    assert run_json("pull", KEY, code=5)["missing"] == [{"job": "a", "state": "pending"}]


def test_a_batch_of_which_only_the_archive_is_left(lab: SpoolBuilder, run: Run) -> None:
    shutil.rmtree(lab.spool.layout.finished)
    run("pull", KEY, "--attempts")
    assert names() == ALL | {"re400~1/stdout.txt"}


def test_a_batch_that_does_not_exist(lab: SpoolBuilder, run: Run) -> None:
    said = run("pull", "anna/cavityy", code=4).stderr
    assert said.startswith("error: there is no batch anna/cavityy: ")
    assert said.endswith("  did you mean anna/cavity?\n")
    assert not Path("distribute-results").exists()


def test_no_job_file(run: Run) -> None:
    assert "there is no distribute-jobs.yaml here" in run("pull", code=1).stderr
    assert "there is no job file x/y.yaml" in run("pull", "x/y.yaml", code=1).stderr
    Path("bad.yaml").write_text("meta: {batch_nam: x}\n")
    assert "bad.yaml:1:8: meta.batch_nam" in run("pull", "bad.yaml", code=1).stderr


def archived(lab: SpoolBuilder, path: str) -> Path:
    return lab.spool.layout.archived_batch("anna", "cavity") / path


@pytest.mark.parametrize("damage", ["1,X", "1,2,3", ""])
def test_a_damaged_file_is_told_and_not_left(lab: SpoolBuilder, run: Run, damage: str) -> None:
    archived(lab, "re100/out/u.csv").write_text(damage)
    said = run("pull", KEY, code=1).stderr
    assert "error: re100/out/u.csv isn't what was archived" in said
    assert said.endswith("distribute verify anna/cavity\n")
    assert names() == ALL - {"re100/out/u.csv"}
    assert not list(Path("distribute-results").rglob("*.part"))


def test_a_damaged_file_does_not_replace_a_good_one(lab: SpoolBuilder, run: Run) -> None:
    run("pull", KEY)
    (OUT / "re100/out/u.csv").write_text("mine")
    archived(lab, "re100/out/u.csv").write_text("9,9")
    run("pull", KEY, code=1)
    assert (OUT / "re100/out/u.csv").read_text() == "mine"


def test_a_file_that_is_gone_from_the_archive(lab: SpoolBuilder, run: Run) -> None:
    archived(lab, "re100/out/u.csv").unlink()
    assert "re100/out/u.csv: No such file" in run("pull", KEY, code=1).stderr
    assert names() == ALL - {"re100/out/u.csv"}


def rewrite(lab: SpoolBuilder, job: str, *paths: str) -> None:
    """Make a job's record name these files, with the hash of an empty file."""
    place = archived(lab, f"{job}/.job.json")
    record = decode(JobRecord, place.read_bytes(), place)
    empty = hashlib.sha256(b"").hexdigest()
    files = tuple(ArchivedFile(path, 0, empty) for path in paths)
    place.write_bytes(encode(replace(record, files=files)))


def test_a_name_that_no_file_can_have_is_refused(lab: SpoolBuilder, run: Run) -> None:
    rewrite(lab, "re100", "\ud800")
    assert "no file can be called so" in run("pull", KEY, code=1).stderr
    assert "re400/stdout.txt" in names()


@pytest.mark.parametrize("ended_at", [float("nan"), float("inf"), -1e30, 1e30])
def test_a_time_that_no_file_can_have(lab: SpoolBuilder, run: Run, run_json: Json, ended_at: float) -> None:
    lab.result(KEY, "re100~1@alpha", {"stdout.txt": "100"}, ended_at=ended_at)
    run("pull", KEY, "--filter", "re100")
    files = run_json("pull", KEY, "--filter", "re100")["files"]
    assert {file["action"] for file in files} == {"present"}
    run("status", "anna/cavity/re100")
    run("explain", "anna/cavity/re100")


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", "a//b", ".", "", "x\0y", "out/.."])
def test_paths_that_lead_elsewhere_are_refused(lab: SpoolBuilder, run: Run, path: str) -> None:
    rewrite(lab, "re100", path)
    said = run("pull", KEY, code=1).stderr
    assert "it isn't a plain relative path" in said
    assert {name for name in names() if name.startswith("re100/")} == set()
    assert "re400/stdout.txt" in names()
    assert {p.name for p in Path().iterdir()} == {"distribute-results"}


def test_links_in_the_archive_are_not_followed(lab: SpoolBuilder, run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").touch()
    archived(lab, "re100/link").symlink_to(tmp_path / "secret/key")
    archived(lab, "re100/folder").symlink_to(tmp_path / "secret")
    os.mkfifo(archived(lab, "re100/pipe"))
    rewrite(lab, "re100", "link", "folder/key", "pipe")
    said = run("pull", KEY, code=1).stderr
    assert said.count(" is refused: it is a link") == 2
    assert said.count(" is refused: it is no regular file") == 1
    assert {name for name in names() if name.startswith("re100/")} == set()


@pytest.mark.parametrize("where", ["anna", "anna/cavity", "anna/cavity/re100", "anna/cavity/re100/out"])
def test_links_at_the_destination_are_not_followed(
    lab: SpoolBuilder, run: Run, tmp_path: Path, where: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = Path("distribute-results") / where
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    said = run("pull", KEY, code=1).stderr
    assert "is refused: it is a link or no folder" in said
    assert not list(outside.iterdir())


def test_a_link_in_place_of_a_file_is_replaced(lab: SpoolBuilder, run: Run, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("100")
    (OUT / "re100").mkdir(parents=True)
    (OUT / "re100/stdout.txt").symlink_to(victim)
    run("pull", KEY)
    assert not (OUT / "re100/stdout.txt").is_symlink()
    assert victim.read_text() == "100"


def test_the_save_dir_itself_may_be_a_link(lab: SpoolBuilder, run: Run, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    Path("distribute-results").symlink_to(tmp_path / "disk")
    run("pull", KEY)
    assert (tmp_path / "disk/anna/cavity/re100/stdout.txt").read_text() == "100"


def test_a_job_without_a_readable_record(lab: SpoolBuilder, run: Run) -> None:
    archived(lab, "re100/.job.json").unlink()
    archived(lab, "re400/.job.json").write_text("{")
    said = run("pull", KEY, code=1).stderr
    assert "re100/.job.json is missing" in said
    assert "re400/.job.json is no JobRecord" in said
    assert "re1000/stdout.txt" in names()


def test_results_of_two_attempts_are_never_mixed(lab: SpoolBuilder, run: Run, run_json: Json) -> None:
    run("pull", KEY)
    lab.result(KEY, "re1000~2@beta", {"stdout.txt": "fine", "new": "file"})
    assert run_json("pull", KEY, "--dry")["set_aside"] == ["re1000~1"]
    assert "an earlier attempt that was pulled before is in re1000~1" in run("pull", KEY).stderr
    assert (OUT / "re1000/stdout.txt").read_text() == "fine"
    assert (OUT / "re1000~1/stdout.txt").read_text() == "boom"
    assert run_json("pull", KEY)["set_aside"] == []


def test_programs_stay_executable(lab: SpoolBuilder, run: Run) -> None:
    archived(lab, "re100/out/u.csv").chmod(0o755)
    run("pull", KEY)
    assert os.access(OUT / "re100/out/u.csv", os.X_OK) == os.access(archived(lab, "re100/out/u.csv"), os.X_OK)
    assert (OUT / "re100/out/u.csv").stat().st_mode & 0o100
    assert not (OUT / "re100/out/v.csv").stat().st_mode & 0o111


def test_many_files_in_parallel(builder: SpoolBuilder, run_json: Json) -> None:
    jobs = [f"job_{number}" for number in range(40)]
    builder.batch(KEY, {State.DONE: [f"{job}~1@alpha" for job in jobs]}, finished=True)
    for job in jobs:
        builder.result(KEY, f"{job}~1@alpha", {f"d{n}/f{n}": f"{job} {n}" for n in range(10)})
    report = run_json("pull", KEY, "--jobs", "16")
    assert len(report["files"]) == 40 * 11 + 1
    assert all((OUT / job / f"d{n}/f{n}").read_text() == f"{job} {n}" for job in jobs for n in range(10))


def make_huge(builder: SpoolBuilder, *names: str) -> None:
    """A result with sparse files, none of which is copied before a test looks."""
    builder.batch(KEY, {State.DONE: ["big~1@alpha"]}, finished=True)
    place = builder.result(KEY, "big~1@alpha", {"stdout.txt": ""})
    size = 4 << 30
    for name in names:
        with open(place / name, "wb") as file:
            file.truncate(size)
    record = decode(JobRecord, (place / ".job.json").read_bytes(), place)
    huge = tuple(ArchivedFile(name, size, "0" * 64) for name in names)
    (place / ".job.json").write_bytes(encode(replace(record, files=(*record.files, *huge))))


def copying() -> list[Path]:
    """The private files that grow at the destination."""
    return [part for part in (OUT / "big").glob(".*.part") if part.stat().st_size > 1 << 20]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_half_file_has_its_final_name(
    builder: SpoolBuilder, launch: Launch, number: signal.Signals
) -> None:
    make_huge(builder, "huge")
    process = launch("pull", KEY)
    wait_until(copying)
    process.send_signal(number)
    assert process.wait(timeout=20) == (130 if number == signal.SIGINT else -number)
    assert not (OUT / "big/huge").exists()
    assert not copying() or number == signal.SIGKILL


def test_files_are_copied_at_the_same_time(builder: SpoolBuilder, launch: Launch) -> None:
    make_huge(builder, "one", "two", "three")
    process = launch("pull", KEY, "--jobs", "2")
    wait_until(lambda: len(copying()) == 2)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)


def test_progress_is_shown_on_a_terminal(builder: SpoolBuilder, run: Run) -> None:
    make_huge(builder, "huge")
    with on_terminal(builder.spool, "pull", KEY) as terminal:
        terminal.read_until("/4.0 GiB")
        assert KEY in terminal.shown
        terminal.type(b"\x03")
        assert terminal.process.wait(20) == 130


def test_json_of_a_pull_is_one_document(lab: SpoolBuilder, run: Run) -> None:
    result = run("pull", KEY, "--json")
    report = json.loads(result.stdout)
    assert result.stderr == ""
    assert report["folder"] == str(Path.cwd() / OUT)
    assert report["jobs"] == 3


def test_filters_that_nothing_matches(lab: SpoolBuilder, run: Run) -> None:
    said = run("pull", KEY, "--filter", "nothing of that name").stdout
    assert said == f"nothing in {KEY} matches these filters: nothing was pulled\n"


def test_one_job_is_pulled_by_a_filter(lab: SpoolBuilder, run: Run) -> None:
    error = run("pull", f"{KEY}/one", code=1).stderr
    assert "pull takes a whole batch" in error
    assert f"distribute pull {KEY} --filter '^one/'" in error


@pytest.mark.parametrize("place", ["closed", "closed/deeper/still"])
def test_a_place_that_cannot_be_written(
    lab: SpoolBuilder, run: Run, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    Path("closed").mkdir()
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path("closed").absolute())
    error = run("pull", KEY, "--save-dir", place, code=1).stderr
    assert error.startswith(f"error: nothing can be saved in {Path(place).absolute()}: ")
    assert "--save-dir" in error
    assert os.listdir("closed") == []

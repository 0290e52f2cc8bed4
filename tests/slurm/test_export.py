"""`distribute slurm`: a folder that stands alone, appears whole, and harms nothing that is there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from distribute_cli.slurm.runner.records import read_record
from tests.lab.slurm import SlurmLab
from tests.lab.ssh import SshLab
from tests.slurm.exporting import describe, distribute, export, read_ids, schedule, write_batch
from tests.support import wait_until

SLURM = 'slurm: {time: "0:10:00"}\n'
META = "meta: {batch_name: b, namespace: lab}\n"
ONE = (
    META
    + SLURM
    + "command:\n  jobs:\n    - {name: one, command: cat a.txt, required_files: [{path: a b.txt, alias: a.txt}]}\n"
)
CHAIN = (
    META
    + SLURM
    + (
        "command:\n  jobs:\n    - {name: one, command: 'true'}\n"
        "    - {name: two, command: 'true', depends: [one]}\n    - {name: three, command: 'true'}\n"
    )
)
HOSTILE = 'it\'s $HOME; `touch made` "x" #1 $(touch made)'


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_batch(tmp_path / "src", ONE, {"a b.txt": "text"})


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_of_it_leads_outside(one: Path, tmp_path: Path) -> None:
    folder = export(one, tmp_path / "deep" / "out")
    assert (folder / "jobs/one/input/a.txt").read_text() == "text"
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    # What the job file was called is told in the header, as in a spool.
    (folder / "archive/lab/b/batch.json").unlink()
    assert all(str(one.parent).encode() not in text for text in tree(folder).values())
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_one_content_is_there_once(tmp_path: Path) -> None:
    text = ONE.replace("name: one", "name: 'j{n}', sweep: {n: [1, 2, 3]}")
    folder = export(write_batch(tmp_path / "src", text, {"a b.txt": "text"}), tmp_path / "out")
    assert len({(folder / f"jobs/j{n}/input/a.txt").stat().st_ino for n in (1, 2, 3)}) == 1


@pytest.mark.parametrize("what", ["file", "folder", "empty folder", "link", "export", "other export"])
def test_what_is_there_is_left_as_it_is(one: Path, tmp_path: Path, what: str) -> None:
    target = tmp_path / "out"
    if what == "file":
        target.write_text("mine")
    elif what == "link":
        target.symlink_to(tmp_path / "nowhere")
    elif what == "export":
        export(one, target)
    else:
        target.mkdir()
        if what == "other export":
            (target / "export.json").write_text('{"version": 5, "namespace": "x"}')
        if what != "empty folder":
            (target / "mine").write_text("mine")
    before = tree(tmp_path)
    done = distribute("slurm", target, one, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{target} is there already" in done.stderr
    assert ("--replace" in done.stderr) == (what == "export")
    assert tree(tmp_path) == before
    if what != "export":
        assert distribute("slurm", target, one, "--replace", cwd=tmp_path).returncode == 1
        assert tree(tmp_path) == before


def test_an_earlier_export_can_be_replaced(one: Path, tmp_path: Path) -> None:
    folder = export(one, tmp_path / "out")
    (folder / "jobs/one/slurm-1.out").touch()
    export(one, tmp_path / "out", "--replace")
    assert not (folder / "jobs/one/slurm-1.out").exists()


def test_an_export_with_the_job_file_in_it_is_not_replaced(one: Path, tmp_path: Path) -> None:
    folder = export(one, tmp_path / "out")
    moved = one.parent.rename(folder / "src") / one.name
    before = tree(tmp_path)
    done = distribute("slurm", folder, moved, "--replace", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{folder} can't be replaced: {moved} is in it" in done.stderr
    assert tree(tmp_path) == before


def test_a_batch_without_a_section_is_told_the_least(one: Path, tmp_path: Path) -> None:
    text = "meta: {batch_name: b, namespace: n}\npython: {initialize: {build_file: a b.txt}, jobs: [{name: j, file: a b.txt}]}\n"
    one.write_text(text)
    done = distribute("slurm", "out", one, cwd=tmp_path)
    assert done.returncode == 1
    assert "the python batch n/b can't be brought to Slurm: it has no slurm: section" in done.stderr
    assert 'write at least, beside meta: slurm: {time: "1:00:00"}' in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_input_is_told_with_its_line(one: Path, tmp_path: Path) -> None:
    (one.parent / "a b.txt").unlink()
    done = distribute("slurm", "out", one, cwd=tmp_path)
    assert done.returncode == 1
    assert "a b.txt can't be read" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_none_is_told(one: Path, tmp_path: Path) -> None:
    one.write_text(META + SLURM + "apptainer: {initialize: {sif: a b.txt}, jobs: [{name: j}]}\n")
    done = distribute("slurm", "out", one, cwd=tmp_path)
    assert done.returncode == 1
    assert "a b.txt" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--cluster-address", "-oProxyCommand=x"),
        ("--cluster-username", "a b"),
        ("--cluster-username", "a@b"),
        ("--cluster-upload-destination", "a\nb"),
    ],
)
def test_a_login_that_ssh_would_misread_is_refused(
    one: Path, tmp_path: Path, options: tuple[str, str]
) -> None:
    done = distribute("slurm", "out", one, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert options[0] in done.stderr


def test_submit_needs_sbatch(one: Path, tmp_path: Path) -> None:
    done = distribute("slurm", "out", one, "--submit", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "there is no sbatch on this machine" in done.stderr
    assert not (tmp_path / "out").exists()


def test_submit_is_all_that_is_needed(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    jobfile = write_batch(tmp_path / "src", CHAIN)
    folder = tmp_path / HOSTILE
    done = distribute("slurm", folder, jobfile, "--submit", "--json", cwd=tmp_path, env=slurm_lab.env)
    assert done.returncode == 0, done.stderr
    submitted = {line["name"]: line["id"] for line in json.loads(done.stdout)["submitted"]}
    assert submitted == read_ids(folder)
    ended = slurm_lab.wait_ended(*submitted.values())
    assert set(ended.values()) == {"COMPLETED"}, describe(folder)
    assert sorted(path.name for path in (folder / "archive/lab/b").iterdir() if path.is_dir()) == [
        "one",
        "three",
        "two",
    ]
    again = slurm_lab.run(str(folder / "schedule_jobs.sh"), check=False)
    assert again.returncode == 1
    assert "lab/b was submitted before" in again.stderr
    assert not (tmp_path / "made").exists()


@pytest.fixture
def refusing(tmp_path: Path) -> dict[str, str]:
    """An sbatch that refuses the job called two."""
    program = tmp_path / "bin" / "sbatch"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\necho "$@" >>"$(dirname "$0")/calls"\n'
        'case $* in *jobs/two*) echo "sbatch: error: no such partition" >&2; exit 1;; esac\n'
        'wc -l <"$(dirname "$0")/calls"\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def test_an_sbatch_that_fails_is_told_with_what_was_submitted(
    tmp_path: Path, refusing: dict[str, str]
) -> None:
    jobfile = write_batch(tmp_path / "src", CHAIN)
    done = distribute("slurm", "o ut", jobfile, "--submit", cwd=tmp_path, env=refusing)
    assert done.returncode == 1
    assert "sbatch would not take two: sbatch: error: no such partition" in done.stderr
    again = shlex.quote(f"{tmp_path / 'o ut'}/schedule_jobs.sh")
    assert done.stderr.splitlines()[-3:] == [
        "  submitted: one (1)",
        "  not submitted: two, three",
        f"  to submit the rest, mend what sbatch says and type: {again}",
    ]
    assert read_ids(tmp_path / "o ut") == {"one": "1"}


def test_two_who_submit_at_once_submit_once(one: Path, tmp_path: Path) -> None:
    folder = export(one, tmp_path / "out")
    program, calls, go = tmp_path / "bin" / "sbatch", tmp_path / "calls", tmp_path / "go"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho x >>{calls}\nuntil [ -e {go} ]; do sleep 0.05; done\necho 7\n")
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    script = str(folder / "schedule_jobs.sh")
    with subprocess.Popen([script], env=env, stdout=subprocess.DEVNULL) as first:
        try:
            wait_until(calls.exists)
            second = subprocess.Popen([script], env=env, stderr=subprocess.PIPE, text=True)
            wait_until(lambda: second.poll() is not None or calls.read_text() == "x\nx\n")
        finally:
            go.touch()
        assert "is being submitted by somebody else just now" in second.communicate()[1]
        assert first.wait() == 0
    assert calls.read_text() == "x\n"
    assert read_ids(folder) == {"one": "7"}


def test_the_script_tells_the_same_and_goes_on_later(tmp_path: Path, refusing: dict[str, str]) -> None:
    folder = export(write_batch(tmp_path / "src", CHAIN), tmp_path / "out")
    env = {**os.environ, **refusing}
    script = str(folder / "schedule_jobs.sh")
    done = subprocess.run([script], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "sbatch: error: no such partition" in done.stderr
    assert "  submitted: one, job 1\n  not submitted: two\n  not submitted: three\n" in done.stderr
    calls = tmp_path / "bin" / "calls"
    program = tmp_path / "bin" / "sbatch"
    program.write_text(program.read_text().replace("jobs/two", "nothing"))
    done = subprocess.run([script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 of 3 were submitted before, and are left alone" in done.stderr
    assert read_ids(folder) == {"one": "1", "two": "3", "three": "4"}
    assert "--dependency=afterok:1 --kill-on-invalid-dep=yes" in calls.read_text().splitlines()[-2]


def test_uploading_makes_the_folder_at_the_other_end(ssh_lab: SshLab, one: Path, tmp_path: Path) -> None:
    user, address = ssh_lab.login.split("@")
    far = tmp_path / "far" / HOSTILE
    options = ("--cluster-username", user, "--cluster-address", address)
    folder = export(one, tmp_path / HOSTILE, *options, "--cluster-upload-destination", str(far))
    (folder / "work/left").touch()
    env = {**os.environ, **ssh_lab.env}
    done = subprocess.run(
        [str(folder / "rsync_upload.sh")], env=env, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("made"))
    expected = {path.relative_to(folder) for path in folder.rglob("*")} - {Path("work"), Path("work/left")}
    assert {path.relative_to(far) for path in far.rglob("*")} == expected
    assert (far / "schedule_jobs.sh").stat().st_mode & 0o111
    _, _, typed = done.stdout.rpartition(", then there: ")
    said = subprocess.run(["bash", "-c", f"printf %s {typed}"], capture_output=True, text=True).stdout
    assert said == str(far / "schedule_jobs.sh")


def test_uploading_asks_for_what_it_was_not_told(ssh_lab: SshLab, one: Path, tmp_path: Path) -> None:
    folder = export(one, tmp_path / "out")
    script = str(folder / "rsync_upload.sh")
    env = {**os.environ, **ssh_lab.env}
    for arguments in ([], [ssh_lab.login], ["-oProxyCommand=x", "y"]):
        done = subprocess.run([script, *arguments], env=env, capture_output=True, text=True)
        assert done.returncode == 2, arguments
        assert "usage: " in done.stderr
    done = subprocess.run(
        [script, ssh_lab.login, str(tmp_path / "far")], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "far/export.json").is_file()


def test_a_cancelled_job_is_archived_as_such(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    text = (
        META
        + SLURM
        + "command:\n  jobs: [{name: one, command: 'echo x >distribute_save/x; exec sleep 1000'}]\n"
    )
    folder = export(write_batch(tmp_path / "src", text), tmp_path / "out")
    number = schedule(slurm_lab, folder)["one"]
    wait_until((folder / "work/one/distribute_save/x").exists, what=describe(folder))
    slurm_lab.run("scancel", number)
    assert slurm_lab.wait_ended(number) == {number: "CANCELLED"}
    record = wait_until(lambda: read_record(folder / "archive/lab/b/one"))
    assert (record["outcome"], record["ending"]) == ("cancelled", "killed")
    assert (folder / "archive/lab/b/one/x").read_text() == "x\n"


@pytest.mark.timeout(400)
@pytest.mark.long
def test_before_the_time_limit_a_job_is_warned(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    text = META.replace("lab}", "lab, on_evict: USR1, evict_grace: 30s, resume: true}") + (
        "slurm: {time: 1}\ncommand:\n  jobs:\n    - name: one\n"
        "      command: \"cat input/resume/x && exit 0; trap 'echo warned >distribute_save/x' USR1; while :; do sleep 0.1; done\"\n"
    )
    folder = export(write_batch(tmp_path / "src", text), tmp_path / "out")
    number = schedule(slurm_lab, folder)["one"]
    assert slurm_lab.wait_ended(number, within_s=240) == {number: "TIMEOUT"}
    record = wait_until(lambda: read_record(folder / "archive/lab/b/one"))
    assert (record["outcome"], record["ending"]) == ("failed", "time-limit"), describe(folder)
    assert (folder / "archive/lab/b/one/x").read_text() == "warned\n"
    (folder / "submitted.tsv").unlink()
    number = schedule(slurm_lab, folder)["one"]
    assert slurm_lab.wait_ended(number) == {number: "COMPLETED"}
    assert (folder / "archive/lab/b/one/stdout.txt").read_text() == "warned\n"


def test_hundreds_of_jobs_are_one_array(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    text = (
        META
        + SLURM
        + (
            "command:\n  initialize: {build: 'echo built >built'}\n  jobs:\n    - name: 'j{n}'\n"
            f"      sweep: {{n: {list(range(60))}}}\n      command: 'cat built; test {{n}} != 7'\n"
        )
    )
    folder = export(write_batch(tmp_path / "src", text), tmp_path / "out", "--array")
    submitted = schedule(slurm_lab, folder)
    assert list(submitted) == ["(build)", "array-1"]
    ids = [f"{submitted['array-1']}_{task}" for task in range(60)]
    states = slurm_lab.wait_ended(*ids, within_s=100)
    assert [one for one, state in states.items() if state != "COMPLETED"] == [ids[7]]
    records = [json.loads(path.read_text()) for path in folder.glob("archive/lab/b/*/.job.json")]
    assert len(records) == 60
    assert [record["job"] for record in records if record["outcome"] != "done"] == ["j7"]

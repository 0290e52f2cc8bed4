"""`distribute run`, as a stranger would type it: real processes, nothing left of them at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from distribute_cli.commands.pull import JOB_FILE
from distribute_cli.running import save_dir
from distribute_cli.running.following import Follower
from distribute_cli.running.save_dir import SaveDir, SaveDirRefused
from distribute_cli.running.screen import Screen
from distribute_cli.signals import Interrupts
from distribute_compute_config.errors import DistributeError
from spoold.local_node import LocalNode, NodeOptions
from spoold.private import open_private
from spoold.records import Input
from spoold.snapshot import read_node
from spoold.spool import open_spool
from spoold.tickets import State
from tests.cli.conftest import SpoolBuilder
from tests.cli.daemons import on_terminal
from tests.cli.desk import Desk, wait_for_line
from tests.lab import FAST, Lab
from tests.support import find_runs, wait_until


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path / "desk") as desk:
        yield desk


_PYTHON = """\
meta: {namespace: desk, batch_name: trial}
python:
  initialize:
    build_file: build.py
    required_files: [{path: data/constants.txt, alias: constants}]
  jobs:
    - name: double
      file: job.py
      required_files: [{path: data/one.txt, alias: number}]
    - name: again
      file: job.py
      required_files: [{path: data/two.txt, alias: number}]
"""
_BUILD = "print('building with', open('input/constants').read()); open('factor', 'w').write('2')\n"
_JOB = """\
import sys
number = int(open("input/number").read()) * int(open("factor").read())
open("distribute_save/result.txt", "w").write(str(number))
print("cores", sys.argv[1]); print("warned", file=sys.stderr)
"""


def write_python_batch(desk: Desk) -> None:
    desk.write(JOB_FILE, _PYTHON)
    desk.write("build.py", _BUILD)
    desk.write("job.py", _JOB)
    for name, text in {"constants": "pi", "one": "1", "two": "2"}.items():
        desk.write(f"data/{name}.txt", text)


# What comes of it


def test_a_python_batch_is_built_and_run(desk: Desk) -> None:
    write_python_batch(desk)
    out, err = desk.run("--cores", "1")
    assert out == "cores 1\ncores 1\n"
    assert "built in" in err and err.count("warned") == 2
    assert "[1/2] double" in err and "double: done in" in err
    assert f"desk/trial: 2 done; results: {desk.folder}/distribute-run/archived_files" in err
    job = [".job.json", "result.txt", "stderr.txt", "stdout.txt"]
    assert desk.listed() == [
        ".distribute-run",
        *(f"archived_files/again/{name}" for name in job),
        "archived_files/batch.json",
        *(f"archived_files/double/{name}" for name in job),
        "archived_files/job.yaml",
        "archived_files/trial_build_output-local.txt",
    ]
    assert (desk.read("double", "result.txt"), desk.read("again", "result.txt")) == ("2", "4")
    assert desk.read("trial_build_output-local.txt") == "building with pi\n"
    assert desk.read("job.yaml") == _PYTHON


def test_the_archive_is_what_a_lab_gives(desk: Desk, tmp_path: Path) -> None:
    write_python_batch(desk)
    desk.run("--cores", "2")
    with Lab(tmp_path / "lab", FAST) as lab:
        lab.node("local")
        argv = [
            sys.executable,
            "-m",
            "distribute_cli",
            "--spool",
            str(lab.spool.root),
            "add",
            JOB_FILE,
            "--wait",
        ]
        subprocess.run(argv, cwd=desk.folder, check=True, capture_output=True)
        theirs = lab.spool.layout.archived_batch("desk", "trial")
        ours = desk.folder / "distribute-run" / "archived_files"
        paths = {path.relative_to(ours) for path in ours.rglob("*")}
        assert paths == {path.relative_to(theirs) for path in theirs.rglob("*")}
        for path in paths:
            if path.name not in (".job.json", "batch.json") and not (ours / path).is_dir():
                assert (ours / path).read_bytes() == (theirs / path).read_bytes()
        keys = [json.loads((root / "double" / ".job.json").read_text()) for root in (ours, theirs)]
        assert keys[0].keys() == keys[1].keys() and keys[0]["files"] == keys[1]["files"]


def test_jobs_that_fail_are_named_with_what_they_said(desk: Desk) -> None:
    desk.batch(
        {
            "good": "echo fine > distribute_save/x",
            "bad": "for i in 1 2 3 4 5 6; do echo line $i >&2; done; exit 3",
            "later": {"command": "echo never", "depends": ["bad"]},
        }
    )
    out, err = desk.run(code=5)
    assert out == ""
    assert "bad: failed after" in err and "later: cancelled without having run" in err
    summary = err[err.index("bad failed: exit code 3") :]
    assert "line 1" not in summary and "  line 2\n  line 3\n  line 4\n  line 5\n  line 6\n" in summary
    assert f"its files: {desk.folder}/distribute-run/archived_files/bad" in summary
    assert "error: desk/trial: 1 done, 1 failed, 1 cancelled of 3" in summary
    assert desk.read("good", "x") == "fine\n"
    assert desk.read("bad", "stderr.txt").startswith("line 1\n")


def test_a_build_that_fails_is_told(desk: Desk) -> None:
    desk.batch({"one": "echo never", "two": "echo never"}, build="echo missing.h; exit 4")
    out, err = desk.run(code=5)
    assert out == ""
    assert "the build failed after" in err and "  missing.h\n" in err
    assert "one failed: no node could build the batch: local (exit code 4; its last lines: missing.h)" in err
    output = desk.folder / "distribute-run" / "archived_files" / "trial_build_output-local.txt"
    assert f"what the build printed: {output}" in err and output.read_text() == "missing.h\n"


def test_jobs_one_after_the_other_are_shown_one_after_the_other(desk: Desk) -> None:
    """Although the next one begins while the result of the one before is archived."""
    names = [f"job{number}" for number in range(5)]
    desk.batch({name: f"echo {name} begins; echo {name} ends" for name in names})
    out, err = desk.run()
    assert out.splitlines() == [f"{name} {what}" for name in names for what in ("begins", "ends")]
    told = [line.partition(": done")[0] for line in err.splitlines()[1:-1]]
    assert told == [text for n, name in enumerate(names, 1) for text in (f"[{n}/5] {name}", name)]


def test_jobs_side_by_side_are_labelled(desk: Desk) -> None:
    one = {"command": "echo {n}; printf rest", "sweep": {"n": [1, 22, 333]}}
    desk.batch({"re{n}": one}, resources={"cores": 1})
    out, err = desk.run("--cores", "3")
    lines = [f"{name:<5} | {text}" for name, text in [("re1", "1"), ("re22", "22"), ("re333", "333")]]
    assert sorted(out.splitlines()) == sorted(
        [*lines, *(f"{name:<5} | rest" for name in ("re1", "re22", "re333"))]
    )
    assert "[1/3]" not in err and "re22: done in" in err


def test_what_is_retried_is_shown_and_kept(desk: Desk) -> None:
    count = desk.folder / "count"
    desk.batch({"one": f"echo try; echo x >> {count}; test $(wc -l < {count}) = 2"}, retries=1)
    out, err = desk.run()
    # The first attempt may have been over before anybody looked.
    assert out in ("try\n", "try\ntry\n")
    assert "one: done in" in err and "(attempt 2)" in err
    assert "distribute explain" not in err
    assert (desk.read("one~1", "stdout.txt"), json.loads(desk.read("one", ".job.json"))["attempt"]) == (
        "try\n",
        2,
    )


def test_json_has_every_job_and_keeps_standard_output_to_itself(desk: Desk) -> None:
    desk.batch({"one": "echo out; exit 7", "two": "true"})
    out, err = desk.run("--json", code=5)
    report = json.loads(out)
    assert "out\n" in err
    assert (report["namespace"], report["batch"], report["counts"]["failed"]) == ("desk", "trial", 1)
    first, second = report["jobs"]
    assert (first["job"], first["state"], first["exit_code"], first["ending"]) == ("one", "failed", 7, "exit")
    assert (second["state"], second["folder"]) == ("done", f"{report['results']}/two")


# Which jobs


def test_a_job_comes_with_what_it_depends_on(desk: Desk) -> None:
    mesh, solve = {"command": "echo mesh"}, {"command": "echo solve", "depends": ["mesh"]}
    desk.batch(
        {"mesh": mesh, "solve": solve, "other": "echo other", "last": {"command": "x", "depends": ["solve"]}}
    )
    out, err = desk.run("--job", "solve")
    assert out == "mesh\nsolve\n"
    assert "note: they depend on others, which run too: mesh" in err
    assert "desk/trial: 2 jobs" in err


def test_a_job_that_is_not_there(desk: Desk) -> None:
    desk.batch({"mesh": "true", "solve": "true"})
    _, err = desk.run("--job", "slove", code=4)
    assert "there is no job slove" in err and "did you mean solve?" in err
    assert not (desk.folder / "distribute-run").exists()


def test_what_can_not_count_here_is_told(desk: Desk) -> None:
    desk.batch({"one": "echo ran"}, capabilities=["quantum"], after=["desk/first"], matrix="@anna:lab.org")
    out, err = desk.run()
    assert out == "ran\n"
    assert "note: nothing tells that this machine has quantum: it is tried all the same" in err
    assert "note: after: desk/first: not waited for here" in err
    assert json.loads(desk.read("batch.json"))["matrix"] is None


def test_a_job_that_is_too_large_is_named_before_anything_is_made(desk: Desk) -> None:
    desk.batch({"small": "true", "big": {"command": "true", "resources": {"cores": 5, "memory": "4000T"}}})
    _, err = desk.run("--cores", "4", code=1)
    assert "this machine is too small: it has 4 cores," in err
    assert "big asks for 5 cores; big asks for 4000.0 TiB of memory" in err and "small" not in err.replace(
        "too small", ""
    )
    assert not (desk.folder / "distribute-run").exists()


def test_without_a_job_file(desk: Desk) -> None:
    _, err = desk.run(code=1)
    assert JOB_FILE in err and "distribute template" in err


# The folder for the results


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that could change in a folder."""
    return {
        str(path): (
            path.lstat().st_mtime_ns,
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.parametrize("filled", [True, False])
def test_an_existing_folder_is_not_touched(desk: Desk, filled: bool) -> None:
    desk.batch({"one": "true"})
    (desk.folder / "distribute-run").mkdir()
    if filled:
        desk.write("distribute-run/archived_files/one/stdout.txt", "precious")
    before = snapshot(desk.folder)
    _, err = desk.run(code=1)
    assert "distribute-run is there already" in err and "add: --clean-save" in err
    assert snapshot(desk.folder) == before


def test_an_earlier_run_is_replaced_on_request(desk: Desk) -> None:
    desk.batch({"one": "true", "two": "chmod 0 distribute_save; mkdir -p deep; chmod 500 deep"})
    desk.run()
    stale = desk.write("distribute-run/archived_files/stale", "x")
    stale.parent.chmod(0o500)
    desk.batch({"three": "true"})
    desk.run("--clean-save")
    assert not stale.exists() and not (stale.parent / "one").exists()
    assert (stale.parent / "three").exists()


def test_an_empty_folder_may_be_used_on_request(desk: Desk) -> None:
    desk.batch({"one": "true"})
    (desk.folder / "out").mkdir()
    desk.run("--clean-save", "--save-dir", "out")
    assert desk.read("one", "stdout.txt", save="out") == ""


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("strange", "wasn't made by distribute run"),
        ("link", "is a link"),
        ("dangling", "is a link"),
        (JOB_FILE, "is no folder"),
        (".", "it wasn't made by"),
        ("/", "wasn't made by"),
        ("inputs", "inputs/number is in it"),
    ],
)
def test_what_may_not_be_emptied(desk: Desk, folder: str, told: str) -> None:
    desk.batch({"one": {"command": "true", "required_files": ["inputs/number"]}})
    desk.write("inputs/number", "1")
    desk.write("inputs/.distribute-run", "")
    desk.write("strange/thesis.tex", "all of it")
    desk.write("mine/.distribute-run", "")
    (desk.folder / "link").symlink_to("mine")
    (desk.folder / "dangling").symlink_to("nowhere")
    before = snapshot(desk.folder)
    _, err = desk.run("--clean-save", "--save-dir", folder, code=1)
    assert told.removeprefix("it ") in err
    assert snapshot(desk.folder) == before


@pytest.mark.parametrize("marked", ["home", "desk"])
def test_neither_home_nor_the_working_folder_is_emptied(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: str
) -> None:
    """Even if a run had made them."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    desk.batch({"one": "true"})
    (tmp_path / marked / ".distribute-run").touch()
    _, err = desk.run("--clean-save", "--save-dir", str(tmp_path / marked), code=1)
    assert "can't be emptied" in err
    assert (desk.folder / JOB_FILE).exists() and home.exists()


def test_a_folder_that_can_not_be_made_is_told(desk: Desk) -> None:
    desk.batch({"one": "true"})
    _, err = desk.run("--save-dir", "/proc/mine", code=1)
    assert "error: /proc/mine can't be made: " in err and "give another --save-dir" in err


# While it goes on


def hold(desk: Desk) -> Path:
    """A file that jobs wait for: ``until test -e GO``."""
    return desk.folder / "go"


def waiting(desk: Desk, text: str) -> str:
    """A command that prints ``text`` and then waits for ``go``; a trap for SIGTERM would be run at once."""
    return f"echo {text}; until test -e {hold(desk)}; do sleep 0.05; done; echo went"


def test_output_is_shown_before_the_job_ends(desk: Desk) -> None:
    desk.batch({"one": waiting(desk, "begun")})
    process = desk.start()
    wait_for_line(process, "begun")
    assert not (desk.folder / "distribute-run" / "archived_files").exists()
    hold(desk).touch()
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("went\n", 0), err


def test_two_runs_do_not_share_a_folder(desk: Desk) -> None:
    desk.batch({"one": waiting(desk, "begun")})
    first = desk.start()
    wait_for_line(first, "begun")
    for words, told in (((), "is there already"), (("--clean-save",), "another distribute run uses")):
        process = desk.start(*words)
        assert told in process.communicate(timeout=30)[1]
        assert process.returncode == 1
    hold(desk).touch()
    assert first.communicate(timeout=30)[0] == "went\n"
    assert first.returncode == 0


def test_verbose_shows_exactly_what_is_executed(desk: Desk) -> None:
    desk.batch({"one": "echo 'a  b' $((1+1))"}, build="true 'x y'")
    out, err = desk.run("--verbose")
    assert out == "a  b 2\n"
    lines = err.splitlines()
    build = lines.index("""build$ /bin/sh -c 'true '"'"'x y'"'"''""")
    job = lines.index("""one$ /bin/sh -c 'echo '"'"'a  b'"'"' $((1+1))'""")
    assert build < lines.index(next(line for line in lines if line.startswith("built in"))) < job
    desk.write(
        JOB_FILE,
        "meta: {namespace: desk, batch_name: trial}\npython:\n  initialize: {build_file: build.py}\n  jobs: [{name: one, file: job.py}]\n",
    )
    desk.write("build.py", "")
    desk.write("job.py", "import sys; print(*sys.argv)\n")
    out, err = desk.run("--verbose", "--clean-save", "--cores", "2")
    assert out == "./job.py 2\n" and {"build$ python3 ./build.py", "one$ python3 ./job.py 2"} <= {
        *err.splitlines()
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_who_ends_it_keeps_what_is_there(desk: Desk, number: signal.Signals) -> None:
    told = desk.folder / "told"
    trap = f"trap 'echo x >> {told}; exit 9' TERM; "
    saves = "echo half > distribute_save/half; "
    desk.batch({"first": "echo first", "second": trap + saves + waiting(desk, "begun"), "third": "true"})
    process = desk.start()
    wait_for_line(process, "begun")
    # As Ctrl-C does: to the whole group of the terminal.
    os.killpg(process.pid, number)
    err = process.communicate(timeout=40)[1]
    assert process.returncode == (130 if number is signal.SIGINT else 128 + number), err
    assert "stopping the jobs that run" in err and "Traceback" not in err
    assert told.read_text() == "x\n"
    assert desk.left_behind() == []
    assert desk.read("first", "stdout.txt") == "first\n"
    assert desk.read("second", "half") == "half\n"
    assert json.loads(desk.read("second", ".job.json"))["outcome"] == "cancelled"
    assert not (desk.folder / "distribute-run" / ".running").exists()
    desk.batch({"one": "true"})
    desk.run("--clean-save")


def test_who_ends_it_at_once_leaves_nothing(desk: Desk) -> None:
    desk.batch({"one": "sleep 60"})
    process = desk.start()
    assert "desk/trial: 1 job" in read_available(process)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=40)[1]
    assert process.returncode == 130, err
    assert desk.left_behind() == []
    assert {path.name for path in desk.folder.iterdir()} <= {JOB_FILE, "distribute-run"}
    assert not (desk.folder / "distribute-run" / ".running").exists()


def test_a_job_that_does_not_listen_is_killed_at_ctrl_c(desk: Desk) -> None:
    desk.batch({"deaf": "trap '' TERM; " + waiting(desk, "begun")})
    process = desk.start()
    wait_for_line(process, "begun")
    process.send_signal(signal.SIGINT)
    # Somebody impatient: it goes on to its end in good order.
    wait_until(lambda: "stopping" in read_available(process), what="it is stopping")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert desk.left_behind() == []
    assert not (desk.folder / "distribute-run" / ".running").exists()


def read_available(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline()


def test_when_it_is_killed_its_node_and_jobs_end_soon(desk: Desk) -> None:
    desk.batch({"first": "echo first", "second": waiting(desk, "begun")})
    process = desk.start()
    wait_for_line(process, "begun")
    process.kill()
    process.communicate()
    wait_until(lambda: not desk.left_behind(), 30, what="all ends")
    assert desk.read("first", "stdout.txt") == "first\n"
    assert (desk.folder / "distribute-run" / ".running").exists()
    desk.batch({"one": "echo anew"})
    out, _ = desk.run("--clean-save")
    assert out == "anew\n"
    assert not (desk.folder / "distribute-run" / ".running").exists()


def test_a_run_whose_node_was_killed_too_is_cleaned_up_by_the_next(desk: Desk) -> None:
    desk.batch({"one": waiting(desk, "begun")})
    process = desk.start()
    wait_for_line(process, "begun")
    node = node_pid(desk)
    process.kill()
    os.kill(node, signal.SIGKILL)
    process.communicate()
    # A job outlives its daemon.
    assert find_runs(desk.folder)
    desk.batch({"one": "echo anew"})
    out, _ = desk.run("--clean-save")
    assert out == "anew\n"


def node_pid(desk: Desk) -> int:
    info = read_node(open_spool(desk.folder / "distribute-run" / ".running" / "spool"), "local")
    assert info is not None
    return info.pid


def test_a_node_that_dies_is_replaced(desk: Desk) -> None:
    desk.batch({"one": waiting(desk, "begun")})
    process = desk.start()
    wait_for_line(process, "begun")
    before = node_pid(desk)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: node_pid(desk) != before, what="another node")
    hold(desk).touch()
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("went\n", 0), err
    assert desk.left_behind() == []


def test_a_reader_that_goes_away_ends_it(desk: Desk) -> None:
    desk.batch({"one": "while :; do echo x; sleep 0.05; done"})
    process = desk.start()
    wait_for_line(process, "x")
    assert process.stdout
    process.stdout.close()
    assert process.wait(40) == 141
    assert desk.left_behind() == []


# On a terminal


def test_on_a_terminal_there_is_a_bar_and_output_has_lines_of_its_own(
    builder: SpoolBuilder, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    desk.batch({"one": "printf begun; " + waiting(desk, ""), "two": "printf half"})
    with on_terminal(builder.spool, "run") as terminal:
        terminal.read_until("begun")
        hold(desk).touch()
        terminal.read_until("2 done; results:")
        assert terminal.process.wait(20) == 0
    shown = terminal.shown
    assert "desk/trial: " in shown[: shown.index("begun")] and "0/2" in shown
    # A job that ends in the middle of a line doesn't share it with what follows.
    assert "half\r\ntwo: done in" in shown


# Parts of it


def test_what_the_steward_refuses_is_told(tmp_path: Path, builder: SpoolBuilder) -> None:
    private = open_private(tmp_path / "private")
    drop = private.spool.layout.incoming / "desk.trial.0.bundle"
    (private.spool.layout.rejected / f"{drop.name}.reason.txt").write_text("the image is no image\n")
    node = LocalNode(private, NodeOptions(idle_exit_s=0.1))
    follower = Follower(private, node, "desk/trial", drop, SaveDir(tmp_path / "save"), Screen())
    with pytest.raises(DistributeError, match="the job file was refused: the image is no image"):
        follower.follow(10)
    assert node.wait_end(20)


def test_an_image_for_machines_of_another_kind_is_told(tmp_path: Path) -> None:
    private = open_private(tmp_path / "private")
    image = Input("image.sif", "0" * 64, 1)
    SpoolBuilder(private.spool).batch(
        "desk/trial", {State.PENDING: ["one~1"]}, kind="apptainer", image=image, architecture="vax"
    )
    node = LocalNode(private, NodeOptions(idle_exit_s=0.1))
    node.ensure()
    node.wait_ready()
    drop = private.spool.layout.incoming / "none"
    follower = Follower(private, node, "desk/trial", drop, SaveDir(tmp_path / "save"), Screen())
    with pytest.raises(DistributeError, match=r"can't run desk/trial.* vax"):
        follower.follow(10)
    # What it can't run doesn't keep it.
    assert node.wait_end(20)


def test_on_a_shared_disk_the_private_spool_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save_dir, "is_local", lambda path: False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()
    save = SaveDir(tmp_path / "save")
    save.claim(clean=False, needed=[])
    assert save.place.parent == tmp_path / "tmp"
    save.release()
    assert not any((tmp_path / "tmp").iterdir())
    # Nothing came of it.
    assert not save.path.exists()


@pytest.mark.parametrize("clean", [False, True])
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, clean: bool) -> None:
    """Even if it looks like one that a run has made: its owner could put other jobs in place of ours."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / save_dir.MARKER).touch()
    if os.geteuid() == 0:
        os.chown(theirs, 12345, 12345)
    else:
        theirs = Path("/proc/1")
    with pytest.raises(SaveDirRefused, match="is somebody else's"):
        SaveDir(theirs).claim(clean, needed=[])


def test_a_signal_is_noted_and_told_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(SystemExit) as ended:
            interrupts.check()
        assert ended.value.code == 143
        interrupts.check()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert signal.getsignal(signal.SIGTERM) == before

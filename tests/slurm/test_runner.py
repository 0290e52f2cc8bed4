"""The runner by itself, as Slurm would start it: signals, limits, what an earlier attempt left."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from distribute_cli.slurm import runner
from distribute_cli.slurm.runner import archiving
from distribute_cli.slurm.runner.surroundings import hide_machine
from nodewatch.folders import remove
from spoold import publication
from tests.lab import program
from tests.slurm.exporting import export, write_batch
from tests.support import find_runs, wait_until

HEAD = "meta: {batch_name: b, namespace: lab, MORE}\nslurm: {time: 10}\n"
RUNNER = Path(runner.__file__).parent


def make(tmp_path: Path, command: str, more: str = "priority: 0", build: str = "") -> Path:
    """An export of one job."""
    section = f"  initialize: {{build: {json.dumps(build)}}}\n" if build else ""
    text = f"command:\n{section}  jobs: [{{name: j, command: {json.dumps(command)}}}]\n"
    return export(write_batch(tmp_path / "src", HEAD.replace("MORE", more) + text), tmp_path / "out")


@contextmanager
def running(folder: Path, *arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "runner", *arguments],
        cwd=folder,
        env={**os.environ, "SLURMD_NODENAME": "n7", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    with running(folder, *(arguments or ("job", "j")), **env) as process:
        said, _ = process.communicate(timeout=30)
    return process.returncode, said.decode()


def result(folder: Path, name: str = "j") -> Path:
    return folder / "archive/lab/b" / name


def record(folder: Path, name: str = "j") -> Any:
    return json.loads((result(folder, name) / ".job.json").read_text())


def test_it_is_made_for_any_python_from_3_6_on() -> None:
    for path in RUNNER.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 6))
    done = subprocess.run(
        [program("vermin"), "-t=3.6-", "--no-tips", "--violations", str(RUNNER)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_it_imports_nothing_but_the_standard_library(tmp_path: Path) -> None:
    folder = make(tmp_path, "true")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import runner.__main__"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_job_that_is_done_is_not_run_again(tmp_path: Path) -> None:
    folder = make(tmp_path, "echo x")
    assert run(folder)[0] == 0
    before = record(folder)
    assert run(folder) == (0, "j is done already\n")
    assert record(folder) == before
    assert before["node"] == "n7"


def test_a_failed_job_gets_its_next_attempt(tmp_path: Path) -> None:
    folder = make(tmp_path, "exit 3", "retries: 1")
    assert run(folder)[0] == 3
    assert run(folder)[0] == 3
    assert [record(folder, name)["attempt"] for name in ("j~1", "j~2", "j~3", "j")] == [1, 2, 3, 4]


def test_told_to_end_it_archives_what_there_is(tmp_path: Path) -> None:
    folder = make(
        tmp_path, "echo half >distribute_save/x; touch ready; setsid sleep 1000 & sleep 1000", "retries: 3"
    )
    with running(folder, "job", "j") as process:
        wait_until((folder / "work/j/ready").exists)
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    found = record(folder)
    assert (found["outcome"], found["ending"], found["reason"]) == ("cancelled", "killed", "cancelled")
    assert (result(folder) / "x").read_text() == "half\n"
    assert not find_runs(folder)
    assert not result(folder, "j~1").exists()


def test_at_slurms_time_limit_it_says_so(tmp_path: Path) -> None:
    folder = make(tmp_path, "touch ready; sleep 1000", "retries: 3")
    job = folder / "jobs/j/job.json"
    job.write_text(json.dumps({**json.loads(job.read_text()), "limit_s": 1.0}))
    with running(folder, "job", "j") as process:
        wait_until((folder / "work/j/ready").exists)
        process.terminate()
        process.wait(20)
    assert (record(folder)["outcome"], record(folder)["ending"]) == ("failed", "time-limit")


def test_the_jobs_signal_is_passed_on_to_who_handles_it(tmp_path: Path) -> None:
    # The shell has a handler, its sleep has none and would die of it.
    command = "trap 'echo warned >>distribute_save/x' USR1; sleep 1 && echo slept >>distribute_save/x"
    folder = make(tmp_path, command, "on_evict: USR1")
    with running(folder, "job", "j") as process:
        wait_until(lambda: any(text.startswith("sleep") for _, text in find_runs(folder)))
        process.send_signal(signal.SIGUSR1)
        assert process.wait(20) == 0
    assert (result(folder) / "x").read_text() == "warned\nslept\n"


def test_a_machine_without_apptainer_is_told_with_what_to_do(tmp_path: Path) -> None:
    folder = make(tmp_path, "true")
    told = json.loads((folder / "jobs/j/job.json").read_text())
    told.update(container=True, argv=["apptainer", "run"], quoted_argv=["apptainer", "run"])
    (folder / "jobs/j/job.json").write_text(json.dumps(told))
    code, said = run(folder, PATH=str(tmp_path))
    assert code != 0
    assert said.startswith("j, attempt 1: failed: it could not be started: apptainer: No such file")
    assert "load it by modules in the job file's slurm section" in record(folder)["reason"]


def test_a_machine_without_python_is_told_with_what_to_do(tmp_path: Path) -> None:
    folder = make(tmp_path, "true")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uname").symlink_to(shutil.which("uname") or "")
    env = {"PATH": str(tmp_path / "bin"), "SLURM_SUBMIT_DIR": str(folder)}
    bash = shutil.which("bash") or ""
    done = subprocess.run([bash, folder / "jobs/j/job.sh"], env=env, capture_output=True, text=True)
    assert done.returncode == 127
    assert done.stderr.splitlines()[0].startswith("error: there is no python3 on ")


def test_what_a_job_leaves_running_is_ended(tmp_path: Path) -> None:
    folder = make(tmp_path, "setsid sleep 1000 >/dev/null 2>&1 &")
    assert run(folder)[0] == 0
    assert not find_runs(folder)


RESUMING = "cat input/resume/x 2>/dev/null || echo none; echo saved >distribute_save/x; touch ready; test -e input/resume || sleep 1000"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_attempt_goes_on_from_what_was_saved(tmp_path: Path, number: int) -> None:
    folder = make(tmp_path, RESUMING, "resume: true")
    with running(folder, "job", "j") as process:
        wait_until((folder / "work/j/ready").exists)
        process.send_signal(number)
        process.wait(20)
    for pid, _ in find_runs(folder):
        os.kill(pid, signal.SIGKILL)
    assert run(folder)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == "saved\n"
    assert record(folder)["outcome"] == "done"


CHECKPOINTING = (
    "cat input/resume/x 2>/dev/null && exit; echo saved >distribute_save/x; kill -TERM $PPID; sleep 20"
)


def die_in(folder: Path, function: str) -> None:
    """Run the job as if the runner were killed when it comes to this function of one of its modules."""
    module, _, name = function.partition(".")
    text = (
        "import os, sys; sys.path.insert(0, '.'); sys.argv[1:] = ['job', 'j']\n"
        f"import runner.__main__ as main, runner.{module} as one\n"
        f"one.{name} = lambda *a, **k: os._exit(137)\n"
        "main.main(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-B", "-c", text], cwd=folder, capture_output=True, timeout=60)
    assert done.returncode == 137, done.stderr.decode()


@pytest.mark.parametrize("function", ["archiving._write_record", "archiving._flush", "attempts._keep_resume"])
def test_a_kill_while_a_result_is_archived_keeps_what_was_saved(tmp_path: Path, function: str) -> None:
    folder = make(tmp_path, CHECKPOINTING, "resume: true")
    die_in(folder, function)
    assert run(folder)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == "saved\n"
    assert list((folder / "archive/.staging/lab/b").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_attempt_that_saved_nothing_hands_on_what_it_was_given(tmp_path: Path, number: int) -> None:
    go, saved = tmp_path / "go", "test -e input/resume || echo saved >distribute_save/x"
    command = f"test -e {go} && exec cat input/resume/x; {saved}; touch ready; sleep 1000"
    folder = make(tmp_path, command, "resume: true")
    for _ in range(2):
        with running(folder, "job", "j") as process:
            wait_until((folder / "work/j/ready").exists)
            process.send_signal(number)
            process.wait(20)
        for pid, _ in find_runs(folder):
            os.kill(pid, signal.SIGKILL)
        (folder / "work/j/ready").unlink(missing_ok=True)
    go.touch()
    assert run(folder)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == "saved\n"


def test_a_saved_file_keeps_its_name_for_the_next_attempt(tmp_path: Path) -> None:
    command = "ls input/resume 2>/dev/null && exit; touch distribute_save/stdout.txt distribute_save/saved-a"
    folder = make(tmp_path, f"{command}; kill -TERM $PPID; sleep 20", "resume: true")
    assert run(folder)[0] == 128 + signal.SIGTERM
    assert run(folder)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == "saved-a\nstdout.txt\n"


def test_what_was_submitted_twice_runs_once_at_a_time(tmp_path: Path) -> None:
    folder = make(tmp_path, f"touch ready; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo end")
    with running(folder, "job", "j", SLURM_JOB_ID="7") as first:
        wait_until((folder / "work/j/ready").exists)
        code, said = run(folder, SLURM_JOB_ID="8")
        assert (code, said) == (
            1, f"j isn't begun: Slurm job 7 does the same; if that one is gone, remove {folder}/jobs/j/lock\n"
        )  # fmt: skip
        assert (folder / "work/j/ready").exists()
        (tmp_path / "go").touch()
        assert first.wait(20) == 0
    assert (result(folder) / "stdout.txt").read_text() == "end\n"
    assert run(folder, SLURM_JOB_ID="8") == (0, "j is done already\n")


def test_the_lock_of_a_machine_that_died_stops_no_requeued_job(tmp_path: Path) -> None:
    folder = make(tmp_path, "echo x")
    lock = folder / "jobs/j/lock"
    lock.write_text("7")
    with lock.open("r+") as opened:
        fcntl.lockf(opened, fcntl.LOCK_EX)
        assert run(folder, SLURM_JOB_ID="8")[0] == 1
        assert run(folder, SLURM_JOB_ID="7")[0] == 0


def test_a_folder_without_a_record_is_told_before_hours_are_spent(tmp_path: Path) -> None:
    folder = make(tmp_path, f"touch {tmp_path}/ran")
    result(folder).mkdir(parents=True)
    (result(folder) / "x").touch()
    assert run(folder) == (
        1, f"j isn't begun: {result(folder)} is in the way of its result, and has no .job.json; move it away\n"
    )  # fmt: skip
    assert not (tmp_path / "ran").exists()


def test_what_a_job_closed_is_in_nobodys_way(tmp_path: Path) -> None:
    shut = "cd distribute_save; mkdir d; echo y >d/y; chmod 000 d/y d . .."
    command = f"test $DISTRIBUTE_ATTEMPT = 2; end=$?; {shut}; exit $end"
    folder = make(tmp_path, command, "retries: 1")
    # Root may enter what is closed, unless it has no capabilities.
    plain = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    argv = [*plain, sys.executable, "-B", "-m", "runner", "job", "j"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (result(folder) / "d/y").read_text() == (result(folder, "j~1") / "d/y").read_text() == "y\n"
    assert not list((folder / "work").iterdir())


@pytest.mark.parametrize(
    "command", ["rm -r $PWD", "mv $PWD $PWD.old && ln -s $PWD.old $PWD", "rm -r $DISTRIBUTE_SAVE"]
)
@pytest.mark.parametrize("more", ["resume: false", "resume: true"])
def test_a_job_that_removes_its_folder_has_its_output_archived(
    tmp_path: Path, command: str, more: str
) -> None:
    folder = make(tmp_path, f"echo x; {command}; kill -TERM $PPID; exec sleep 20", more)
    assert run(folder)[0] == 128 + signal.SIGTERM
    assert (result(folder) / "stdout.txt").read_text() == "x\n"
    assert not os.path.lexists(folder / "work/j")


def test_what_cannot_be_removed_is_no_failure_of_its_job(tmp_path: Path) -> None:
    deep = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    folder = make(tmp_path, f"{sys.executable} -c {shlex.quote(deep)}")
    code, said = run(folder)
    # Neither can pytest remove it.
    remove(folder / "work")
    assert code == 0, said
    assert record(folder)["outcome"] == "done"


def test_no_container_gets_what_submits_in_the_users_name() -> None:
    given = {"SLURM_JWT": "eyJ", "SLURM_JOB_ID": "7", "AWS_SECRET_ACCESS_KEY": "x", "APPTAINERENV_X": "y"}
    assert hide_machine(given) == {"SLURM_JOB_ID": "7"}


def test_jobs_with_odd_names_are_kept_apart(tmp_path: Path) -> None:
    """``j.out`` is a job of its own, not where ``j`` prints."""
    folder = make(tmp_path, "echo j")
    (folder / "work/j.out").mkdir()
    (folder / "work/j.out/theirs").touch()
    assert run(folder)[0] == 0
    assert (folder / "work/j.out/theirs").exists()


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    folder = make(tmp_path, "ls input; ls -A distribute_save")
    (folder / "work/j/distribute_save").mkdir(parents=True)
    (folder / "work/j/distribute_save/old").touch()
    assert run(folder)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == ""


def test_a_build_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    folder = make(tmp_path, "cat built", build="echo building; cp $SOURCE built")
    code, said = run(folder, "build", SOURCE="/no/such")
    assert code == 1
    assert said.startswith("building\ncp: ")
    assert (folder / "archive/lab/b/b_build_output-n7.txt").read_text() == said
    (tmp_path / "text").write_text("text")
    assert run(folder, "build", SOURCE=str(tmp_path / "text")) == (0, "building\n")
    assert run(folder, "build") == (0, "built already\n")
    assert run(folder)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == "text"


def test_a_build_that_was_changed_is_built_again(tmp_path: Path) -> None:
    """By an export that is brought to the folder of an earlier one."""
    folder = make(tmp_path, "cat built", build="echo 1 >built")
    assert run(folder, "build") == (0, "")
    again = export(
        write_batch(
            tmp_path / "src", (tmp_path / "src/distribute-jobs.yaml").read_text().replace("1 >", "2 >")
        ),
        tmp_path / "again",
    )
    shutil.copytree(again, folder, dirs_exist_ok=True)
    assert run(folder, "build") == (0, "")
    assert run(folder, "build") == (0, "built already\n")
    assert run(folder)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == "2\n"


@pytest.mark.parametrize(
    ("env", "cores"),
    [
        ({"SLURM_CPUS_PER_TASK": "3", "SLURM_NTASKS": "2", "SLURM_TASKS_PER_NODE": "2"}, "6"),
        ({"SLURM_NTASKS": "8", "SLURM_TASKS_PER_NODE": "4(x2)", "SLURM_CPUS_ON_NODE": "64"}, "4"),
        ({"SLURM_CPUS_ON_NODE": "5"}, "5"),
    ],
)
def test_a_job_is_told_the_cores_that_it_has(tmp_path: Path, env: dict[str, str], cores: str) -> None:
    folder = make(tmp_path, "echo $DISTRIBUTE_CORES $OMP_NUM_THREADS")
    assert run(folder, **env)[0] == 0
    assert (result(folder) / "stdout.txt").read_text() == f"{cores} {cores}\n"


@pytest.mark.parametrize(
    "name", ["a/b", "stdout.txt", ".job.json", "saved-stdout.txt", "saved-x", "saved-saved-stderr.txt/a"]
)
def test_saved_files_are_called_as_in_a_spool(name: str) -> None:
    assert archiving.archived_name(name) == publication.archived_name(name)


SAVING = (
    "cd distribute_save; mkdir deep closed; echo x >'deep/é ü'; ln -s 'deep/é ü' one; ln -s 'deep/é ü' two; ln -s two three; "
    "echo y >closed/y; chmod 500 closed; ln deep/* hard; ln -s deep folder; ln -s /etc/hosts out; ln -s none broken; echo é"
)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_links_closed_folders_and_odd_names_are_archived(tmp_path: Path, locale: str) -> None:
    folder = make(tmp_path, SAVING)
    assert run(folder, "job", "j", LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0") == (
        0,
        "j, attempt 1: done\n",
    )
    archived = result(folder)
    files = {one["path"]: one["size_bytes"] for one in record(folder)["files"]}
    assert files == {
        "stdout.txt": 3,
        "stderr.txt": 0,
        "hard": 2,
        "one": 2,
        "two": 2,
        "three": 2,
        "closed/y": 2,
        "deep/é ü": 2,
    }
    assert {path: (archived / path).stat().st_size for path in files} == files
    assert sorted(one.partition(":")[0] for one in record(folder)["skipped"]) == ["broken", "folder", "out"]
    assert not list((folder / "work").iterdir())

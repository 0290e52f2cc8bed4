"""What a Job makes of its arguments, before a queue has a say; and waiting, before stand-ins."""

from __future__ import annotations

import os
import pty
from pathlib import Path
from typing import Any

import pytest

from cluster import logme
from cluster.cleaning import find_job_files
from cluster.config_file import set_option, set_profile
from cluster.errors import ClusterError, OptionsError, ProfileNotFound
from cluster.failures import NotSubmitted, WaitTimeout
from cluster.job import Job
from cluster.naming import BadJobName, FileKind
from cluster.states import JobState
from cluster.waiting import line_up, wait_all
from tests.cluster.conftest import Program
from tests.cluster.test_engines import log_words


def make(command: str, **options: Any) -> Job:
    return Job(command, qtype="slurm", **options)


def script(job: Job) -> str:
    return job.write().plan.files.script.read_text()


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_options_of_a_job_are_in_its_file(tmp_path: Path) -> None:
    text = script(make("./solve", cores=4, memory="2GB", walltime="1:00:00", queue="long"))
    head = text.partition("cd --")[0].splitlines()
    assert head[:2] == ["#!/bin/bash", "#SBATCH --job-name=solve"]
    assert {"--cpus-per-task=4", "--mem=2048M", "--time=01:00:00", "--partition=long", "--nodes=1"} <= {
        line.removeprefix("#SBATCH ") for line in head
    }
    assert text.splitlines()[-1] == 'exit "$code"'


def test_a_profile_fills_in_what_is_not_given() -> None:
    set_profile("default", {"partition": "short"})
    set_profile("big", {"cores": 16, "mem": "64GB"})
    assert "--partition=short" in script(make("true"))
    text = script(make("true", profile="big", cores=8))
    assert ("--mem=65536M" in text, "--cpus-per-task=8" in text) == (True, True)
    with pytest.raises(ProfileNotFound, match="there is no profile 'bigg'"):
        make("true", profile="bigg")


def test_folders_and_output_files_may_be_chosen(tmp_path: Path) -> None:
    for name in ("scripts", "out", "run"):
        (tmp_path / name).mkdir()
    job = make("true", scriptpath="scripts", outpath="out", runpath="run", outfile="log.txt", suffix="mine")
    text = script(job)
    assert [path.name for path in find_job_files("scripts", "mine")] == [job.plan.files.script.name]
    assert f'--output="{tmp_path}/out/log.txt"' in text
    assert f"cd -- {tmp_path}/run" in text
    assert job.plan.files.written(FileKind.EXIT).parent == tmp_path / "out"


def test_one_folder_for_all(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    job = make("true", path="jobs")
    assert job.plan.files.folder == job.plan.files.outputs == job.plan.working == tmp_path / "jobs"
    set_option("jobs", "filepath", "jobs")
    assert (make("true").plan.files.folder, make("true").plan.working) == (tmp_path / "jobs", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        ({"cores": "four"}, TypeError, "cores='four' is of type str; cores must be a whole number above 0"),
        ({"mem": "lots"}, ValueError, "is not an amount of memory; accepted"),
        ({"walltim": "1h"}, OptionsError, "did you mean walltime"),
        ({"name": "a b"}, BadJobName, "no job can be called 'a b'"),
        ({"name": "x\n#SBATCH --time=1"}, BadJobName, "no job can be called"),
        ({"suffix": "../x"}, BadJobName, "no job file can end in"),
        ({"array": 0}, ValueError, "an array has at least one task"),
        ({"kwargs": {"a": 1}}, TypeError, "keyword arguments are for functions"),
        ({"depends": [1.5]}, TypeError, "depends"),
        ({"partition": "x\n#SBATCH --y"}, ValueError, "line break"),
        ({"path": "a\nb"}, ClusterError, "can't be told a path with"),
        ({"qtype": "pbs"}, ClusterError, "'pbs' is no queue"),
    ],
)
def test_what_cannot_be_a_job(arguments: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        Job("true", **{"qtype": "slurm", **arguments})


def test_a_folder_that_is_not_there_is_told() -> None:
    with pytest.raises(ClusterError, match=r"there is no folder .*/none: .*\n +mkdir -p"):
        make("true", path="none").write()


def test_a_job_file_is_never_written_over() -> None:
    job = make("true").write()
    with pytest.raises(ClusterError, match="can't be written: File exists"):
        job.write()


def test_nothing_can_wait_for_what_is_not_submitted(program: Program) -> None:
    first = make("true", name="first")
    with pytest.raises(NotSubmitted, match="job second depends on job first: that isn't submitted"):
        make("true", name="second", depends=first).submit()
    with pytest.raises(NotSubmitted, match="can't be cancelled"):
        first.cancel()
    set_option("jobs", "auto_submit", False)
    with pytest.raises(NotSubmitted, match="can't be awaited"):
        first.wait()


def test_the_files_of_a_running_job_are_in_use(program: Program) -> None:
    program("sbatch", "echo 1")
    program("squeue", "echo 'JOBID~STATE~'")
    job = make("true").submit()
    with pytest.raises(ClusterError, match=r"job true \(1\) is pending: its files are in use"):
        job.clean()
    assert job.plan.files.script.exists()


def ended(code: int, **options: Any) -> Job:
    """A job that a stand-in took, that its queue forgot, and that left an exit code."""
    job = make("true", **options).submit()
    for kind, text in ((FileKind.EXIT, f"{code}\n"), (FileKind.OUT, "out\n"), (FileKind.ERR, "")):
        job.plan.files.written(kind).write_text(text)
    return job


@pytest.fixture
def forgetful(program: Program) -> None:
    """A Slurm that takes jobs and knows nothing of them."""
    program("sbatch", "echo 1")
    program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")


def test_what_has_ended_well_is_not_waited_for(program: Program, tmp_path: Path) -> None:
    # Slurm takes the id of a job that it has forgotten for one that never was.
    log = log_words(program, "sbatch", "echo 1")
    program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    first = ended(0)
    make("true", depends=[first, 7]).submit()
    assert "--dependency=afterok:1:7" not in log.read_text()
    assert "--dependency=afterok:7 " in log.read_text()


@pytest.mark.usefixtures("forgetful")
class TestResults:
    """``get``, and what is left of a job's files after it."""

    def test_output_is_kept_by_default(self) -> None:
        job = ended(0)
        assert job.get(20) == "out\n"
        assert len(find_job_files()) == 4

    @pytest.mark.parametrize(
        ("options", "left"),
        [
            ({"clean_files": True}, ["err", "out"]),
            ({"clean_outputs": True}, ["cluster", "exit"]),
            ({"clean_files": True, "clean_outputs": True}, []),
        ],
    )
    def test_files_go_where_an_option_says_so(self, options: dict[str, bool], left: list[str]) -> None:
        job = ended(0, **options)
        assert job.get(20) == "out\n"
        assert sorted(path.name.rpartition(".")[2] for path in find_job_files()) == left
        assert job.get(20) == "out\n", "the result is known without its files"

    def test_the_config_file_says_it_for_all_jobs(self) -> None:
        set_option("jobs", "clean_files", True)
        ended(0).get(20)
        assert [path.suffix for path in find_job_files()] == [".err", ".out"]

    def test_a_failure_leaves_everything(self) -> None:
        job = ended(3, clean_files=True, clean_outputs=True)
        with pytest.raises(ClusterError, match="failed with exit code 3"):
            job.get(20)
        assert len(find_job_files()) == 4


def test_an_outage_is_told_once(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    program("sbatch", "echo 1")
    program("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    program("scontrol", "exit 1")
    job = make("true").submit()
    job._client.polls.every_s = 0.05
    with pytest.raises(WaitTimeout):
        job.wait(0.6)
    told = [record for record in caplog.records if "Unable to contact slurm controller" in record.message]
    assert [record.levelno for record in told] == [logme.Level.WARN]


class Still:
    """A job that a test moves by hand."""

    poll_s = 0.01

    def __init__(self, title: str, *states: JobState, awaited: tuple[Still, ...] = ()) -> None:
        self.title, self.states, self.awaited = title, list(states), awaited
        self.state = JobState.PENDING

    def look(self, within_s: float | None) -> None:
        if self.states:
            self.state = self.states.pop(0)


def test_what_is_depended_on_is_looked_at_first() -> None:
    first = Still("first")
    left, right = Still("left", awaited=(first,)), Still("right", awaited=(first,))
    last = Still("last", awaited=(left, right))
    order = [job.title for job in line_up([last, right])]
    assert order.index("first") == 0
    assert order[-1] == "last"
    assert sorted(order) == ["first", "last", "left", "right"]


def test_a_chain_of_thousands_is_no_matter() -> None:
    jobs = [Still("0", JobState.COMPLETED)]
    for number in range(1, 5000):
        jobs.append(Still(str(number), JobState.COMPLETED, awaited=(jobs[-1],)))
    wait_all(jobs[-1:], 20)
    assert all(job.state is JobState.COMPLETED for job in jobs)


def test_a_bar_shows_how_jobs_stand_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as screen:
        monkeypatch.setattr("sys.stderr", screen)
        jobs = [
            Still("a", JobState.RUNNING, JobState.COMPLETED),
            Still("b", *[JobState.RUNNING] * 30, JobState.FAILED),
        ]
        wait_all(jobs, 20)
    drawn = os.read(controller, 65536).decode()
    os.close(controller)
    assert "1 running, 1 completed" in drawn
    assert "1/2" in drawn


def test_elsewhere_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    wait_all([Still("a", JobState.RUNNING, JobState.COMPLETED)], 20)
    assert capsys.readouterr() == ("", "")


def test_who_has_not_ended_is_named() -> None:
    jobs = [Still(f"job {number}") for number in range(7)]
    with pytest.raises(
        WaitTimeout, match=r"7 jobs haven't ended within 0 s: job 0 is pending, .*, and 2 more"
    ):
        wait_all(jobs, 0)

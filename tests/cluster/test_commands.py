"""`distribute queue`, `wait`, `submit-script` and `clean`, over stand-ins and over a real Slurm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cluster.modes import Mode
from distribute_cli.main import cli
from tests.cluster.captures import put_slurm
from tests.cluster.conftest import Program
from tests.cluster.on_slurm import submit_to
from tests.cluster.test_cleaning import OTHERS, OURS
from tests.cluster.test_engines import HANGS
from tests.lab.slurm import SlurmLab

Type = Callable[..., Result]


@pytest.fixture
def type_() -> Type:
    """Types a command line; the test says which exit code it expects."""

    def do(*words: str, code: int = 0, answer: str | None = None) -> Result:
        result = CliRunner().invoke(cli, words, input=answer)
        assert result.exit_code == code, result.output
        return result

    return do


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of the captured jobs."""
    monkeypatch.setenv("CLUSTER_QUEUE", "slurm")
    monkeypatch.setenv("PATH", str(put_slurm(tmp_path / "slurm")))


@pytest.mark.usefixtures("slurm")
class TestQueue:
    """What is shown, counted and listed."""

    def test_a_table_of_what_waits_and_runs(self, type_: Type) -> None:
        lines = type_("queue", "--everybody").stdout.splitlines()
        assert lines[0].split() == [
            "job", "name", "user", "partition", "state", "nodes", "cores", "exit", "reason",
        ]  # fmt: skip
        assert sorted(line.split()[0] for line in lines[1:]) == ["19", "20", "28", "7"]
        assert any(line.split() == ["28", "running", "root", "debug", "running", "n1", "1"] for line in lines)

    @pytest.mark.parametrize(
        ("options", "count"),
        [
            (("--everybody",), 4),
            (("--everybody", "--state", "all"), 16),
            (("--everybody", "--state", "held", "--state", "running"), 2),
            (("--everybody", "--state", "ended"), 12),
            (("--everybody", "--state", "queued", "--partition", "debug"), 3),
            (("--everybody", "--partition", "other"), 0),
            (("--user", "root", "--user", "anna", "--state", "failed"), 4),
            (("--user", "anna", "--user", "bert"), 0),
        ],
    )
    def test_counting_and_listing(self, type_: Type, options: tuple[str, ...], count: int) -> None:
        assert type_("queue", "--count", *options).stdout == f"{count}\n"
        listed = type_("queue", "--list", *options).stdout.split()
        assert len(listed) == count
        assert len(json.loads(type_("queue", "--json", *options).stdout)["jobs"]) == count

    def test_nothing_found_is_told_beside_the_output(self, type_: Type) -> None:
        result = type_("queue", "--everybody", "--partition", "other")
        assert (result.stdout, result.stderr) == ("", "no such job in the queue slurm\n")

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (("--list", "--count"), "exclude each other"),
            (("--user", "anna", "--everybody"), "exclude each other"),
            (("--state", "bogus"), "'bogus' is no state; there are all, cancelled, completed"),
        ],
    )
    def test_wrong_command_lines(self, type_: Type, options: tuple[str, ...], why: str) -> None:
        assert why in type_("queue", *options, code=2).stderr

    def test_what_others_called_their_jobs_steers_no_terminal(self, type_: Type) -> None:
        lines = type_("queue", "--everybody", "--state", "completed").stdout.splitlines()
        assert [line.split()[0] for line in lines if "|" in line] == ["24"]


def test_a_queue_that_is_not_here(type_: Type, program: Program) -> None:
    result = type_("queue", "--queue", "torque", code=1)
    assert "the queue torque can't be used here: there is no qsub in PATH" in result.stderr
    assert "there are slurm, torque" in type_("queue", "--queue", "pbs", code=1).stderr


def test_a_queue_that_hangs(type_: Type, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.engines.asking.ANSWER_S", 0.5)
    program("sbatch", "echo slurm 22.05.8")
    program("squeue", HANGS)
    assert "gave no answer within 0.5 s" in type_("queue", "--queue", "slurm", code=1).stderr


@pytest.fixture
def real(slurm_lab: SlurmLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    submit_to(slurm_lab, Mode.SLURM, monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.sh").write_text("#!/bin/bash\nsleep 0.3; touch good\n")
    (tmp_path / "bad.sh").write_text("#!/bin/bash\nexit 3\n")
    return tmp_path


def test_scripts_are_submitted_and_awaited(type_: Type, real: Path) -> None:
    (real / "after.sh").write_text("#!/bin/bash\ntest -e good\n")
    first, second = type_("submit-script", "good.sh", "after.sh", "--chain").stdout.split()
    assert type_("wait", first, second, "--timeout", "60").stdout == "2 completed\n"
    assert (real / "good").exists(), "a script runs in the folder in which it was submitted"


def test_failures_and_what_waits_for_them(type_: Type, real: Path) -> None:
    bad = type_("submit-script", "bad.sh").stdout.strip()
    after = type_("submit-script", "good.sh", "--after", bad).stdout.strip()
    result = type_("wait", bad, after, "--timeout", "60", code=5)
    assert f"1 failed, 1 cancelled of 2 jobs: {bad}, {after}" in result.stderr
    assert not (real / "good").exists()


def test_waiting_for_too_long_and_for_what_is_not_there(
    type_: Type, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.known_jobs.UNKNOWN_ID_S", 0.5)
    (real / "slow.sh").write_text("#!/bin/bash\nuntil [ -e go ]; do sleep 0.1; done\n")
    slow = type_("submit-script", "slow.sh").stdout.strip()
    assert "hasn't ended within 0.5 s" in type_("wait", slow, "--timeout", "0.5", code=1).stderr
    (real / "go").touch()
    assert "the queue doesn't know 987654" in type_("wait", slow, "987654", code=4).stderr


def test_a_script_that_is_not_there_is_told_after_those_that_were_submitted(type_: Type, real: Path) -> None:
    result = type_("submit-script", "good.sh", "none.sh", code=1)
    assert "submitted before this: 1 of 2 scripts" in result.stderr
    assert "none.sh can't be submitted: it is no file" in result.stderr
    assert len(result.stdout.split()) == 1


@pytest.mark.parametrize(
    ("options", "answer", "gone"),
    [((), "y\n", True), ((), "n\n", False), ((), None, False), (("--yes",), None, True)],
)
def test_cleaning(
    type_: Type, tmp_path: Path, options: tuple[str, ...], answer: str | None, gone: bool
) -> None:
    for name in (*OURS, *OTHERS):
        (tmp_path / name).touch()
    code = 130 if answer is None and not options else 0
    result = type_("clean", str(tmp_path), *options, answer=answer, code=code)
    assert any((tmp_path / name).exists() for name in OURS) is not gone
    assert all((tmp_path / name).exists() for name in OTHERS)
    if code == 0:
        assert result.stdout.splitlines()[-1] == f"deleted {4 if gone else 0}"

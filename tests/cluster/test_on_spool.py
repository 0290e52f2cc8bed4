"""A lab's spool keeps the contracts of all queues, as far as its jobs can: they see no folder but their own."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cluster
from cluster.cleaning import find_job_files
from cluster.engines import client_for
from cluster.job import Job
from cluster.modes import Mode
from cluster.naming import suggest_name
from cluster.queue import wait
from cluster.states import JobState
from cluster.submitting import clean, make_job_file, submit, submit_file
from spoold.spool import Spool
from tests.cluster.contract import LONG_S, QueueContract
from tests.cluster.function_contract import FunctionContract
from tests.cluster.on_spool import lab_spool


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spool]:
    with lab_spool(tmp_path_factory.mktemp("lab")) as spool:
        yield spool


@pytest.fixture
def mode(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mode]:
    monkeypatch.setenv("DISTRIBUTE_SPOOL", str(spool.root))
    client_for.cache_clear()
    # Often, so that tests are quick; a file server is asked every other second.
    monkeypatch.setattr(client_for(Mode.DISTRIBUTE).polls, "every_s", 0.1)
    yield Mode.DISTRIBUTE
    client_for.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def everything_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs begin in a folder of their own; what they shall do in ours, they do after going there."""

    def submit_there(command: Any, *args: Any, path: Path, **options: Any) -> Job:
        there = f"cd {shlex.quote(str(path))} && {{ {command}\n}}" if isinstance(command, str) else command
        options.setdefault("name", suggest_name(command) if isinstance(command, str) else None)
        return submit(there, *args, path=path, **options)

    monkeypatch.setattr("tests.cluster.contract.submit", submit_there)


@pytest.mark.usefixtures("everything_is_seen")
class TestScripts(QueueContract):
    """Scripts and commands."""

    def test_a_script_runs_and_its_output_comes_back(self, mode: Mode, tmp_path: Path) -> None:
        words = ["bash", "-c", 'pwd; echo "$1"; echo warned >&2', "_"]
        job = submit(words, args=["a 'b' $c"], path=tmp_path, qtype=mode)
        here, said = str(job.get(LONG_S)).splitlines()
        assert here != str(tmp_path) and said == "a 'b' $c"
        assert (job.state, job.exitcode, job.stderr) == (JobState.COMPLETED, 0, "warned\n")

    def test_a_job_file_is_submitted_by_its_path(self, mode: Mode, tmp_path: Path) -> None:
        made = make_job_file(f"touch {tmp_path}/made", path=tmp_path, qtype=mode)
        first = submit(f"sleep 0.5; touch {tmp_path}/first", path=tmp_path, qtype=mode)
        job_id = submit_file(made.plan.files.script, dependencies=first, qtype=mode)
        assert wait([job_id], LONG_S, qtype=mode)
        assert (tmp_path / "first").exists() and (tmp_path / "made").exists()

    def test_what_waits_for_a_job_that_is_not_there_yet_is_told(
        self, mode: Mode, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = submit("true", path=tmp_path, qtype=mode)
        submit("true", path=tmp_path, qtype=mode, depends=str(first.id)).get(LONG_S)
        assert "submitted yet" not in caplog.text
        submit("true", path=tmp_path, qtype=mode, depends="anna/meshes").cancel()
        assert "waits for anna/meshes, which nobody has submitted yet" in caplog.text

    def test_cleaning_removes_all_that_a_job_wrote(self, mode: Mode, tmp_path: Path) -> None:
        jobs = [submit("echo x", path=tmp_path, qtype=mode, array=array) for array in (None, 2)]
        assert cluster.get(jobs, LONG_S) == ["x\n", "x\nx\n"], "that fetches the output"
        assert len(find_job_files(tmp_path)) == 4 + 7
        clean(jobs)
        assert not list(tmp_path.iterdir())


class TestFunctions(FunctionContract):
    """Functions."""

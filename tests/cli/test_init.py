"""`distribute init`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from distribute_cli.main import cli
from spoold.spool import Settings, open_spool
from tests.cli.conftest import Run


def test_a_spool_with_the_settings_asked_for(run: Run, tmp_path: Path) -> None:
    said = run(
        "init", tmp_path / "new", "--heartbeat", 1, "--lease", 20.5, "--settle", 0.5, "--rescan", 3,
        "--max-jobs", 7, "--retry-wait", 0,
    ).stdout  # fmt: skip
    assert open_spool(tmp_path / "new").settings == Settings(1, 1.0, 20.5, 0.5, 3.0, 7, 0.0)
    assert f"export DISTRIBUTE_SPOOL={tmp_path / 'new'}" in said
    assert f"nodewatch --spool {tmp_path / 'new'}" in said


def test_a_relative_path_is_shown_whole(run: Run) -> None:
    assert f"made a spool in {Path.cwd() / 'here'}" in run("init", "here").stdout
    assert open_spool(Path("here")).settings == Settings()


def test_what_is_to_be_typed_next_is_quoted(run: Run, tmp_path: Path) -> None:
    spool = tmp_path / "anna's $spool"
    said = run("init", spool).stdout.splitlines()
    (node,) = (line for line in said if "nodewatch" in line)
    (export,) = (line for line in said if "export" in line)
    assert shlex.split(node)[:3] == ["nodewatch", "--spool", str(spool)]
    assert shlex.split(export) == ["export", f"DISTRIBUTE_SPOOL={spool}"]


def test_a_spool_is_not_made_twice(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path / "new", "--max-jobs", 7)
    error = run("init", tmp_path / "new", code=3).stderr
    assert "already a spool" in error
    assert f"distribute --spool {tmp_path / 'new'} status" in error
    assert open_spool(tmp_path / "new").settings.max_jobs == 7


def test_nothing_is_put_into_a_folder_with_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    assert "it holds 'thesis.tex'" in run("init", tmp_path / "mine", code=3).stderr
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]


def test_a_place_that_can_not_be_written(run: Run) -> None:
    error = run("init", "/proc/spool", code=1).stderr
    assert "no spool can be made in /proc/spool" in error
    assert "give a folder" in error


@pytest.mark.parametrize("options", [["--lease", "3"], ["--heartbeat", "0"], ["--max-jobs", "0"]])
def test_settings_that_no_daemon_could_use(options: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "new"), *options])
    assert result.exit_code == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("uid", [0, 1000])
def test_root_is_warned(run: Run, monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert ("a service user of its own" in run("init", "here").stderr) is (uid == 0)

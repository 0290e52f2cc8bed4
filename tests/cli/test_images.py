"""What `distribute check` and `distribute add` say of an image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run, SpoolBuilder
from tests.sif_files import write_sif

JOB_FILE = (
    "meta: {batch_name: b, namespace: n}\napptainer: {initialize: {sif: box.sif}, jobs: [{name: one}]}\n"
)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apptainer that lists the apps that stand in a file; in PATH before any other."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "apptainer"
    program.write_text(f'#!/bin/sh\n[ "$1" = exec ] && cat {folder}/apps\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "apps"


def test_what_it_needs_is_told(run: Run) -> None:
    write_sif(Path("box.sif"))
    Path("jobs.yaml").write_text(JOB_FILE)
    assert "1 job (apptainer), needs apptainer, x86_64, 1 input file" in run("check", "jobs.yaml").stdout


def test_a_missing_app_is_a_mistake(run: Run, builder: SpoolBuilder) -> None:
    write_sif(Path("box.sif"), apps=["solve"])
    Path("jobs.yaml").write_text(JOB_FILE)
    for command in ("check", "add"):
        result = run(command, "jobs.yaml", code=1)
        assert "no app distribute, which runs a job; it has solve; add a section %apprun" in result.output


def test_an_image_that_doesnt_tell_is_asked(run: Run, asked: Path) -> None:
    write_sif(Path("box.sif"), apps=None)
    Path("jobs.yaml").write_text(JOB_FILE)
    asked.write_text("distribute\nother\n")
    assert run("check", "jobs.yaml").stderr == ""
    asked.write_text("other\n")
    assert "it has other" in run("check", "jobs.yaml", code=1).stdout
    asked.unlink()
    result = run("check", "jobs.yaml")
    assert result.stderr.startswith("warning: box.sif doesn't say whether it has the app distribute")


def test_add_warns_of_an_image_that_nobody_could_ask(run: Run, builder: SpoolBuilder, asked: Path) -> None:
    write_sif(Path("box.sif"), apps=None)
    Path("jobs.yaml").write_text(JOB_FILE)
    builder.node("alpha", ("apptainer", "x86_64"))
    assert run("add", "jobs.yaml", "--dry").stderr.startswith("warning: box.sif doesn't say")

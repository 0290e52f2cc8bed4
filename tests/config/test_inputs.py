"""The files that a job file names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distribute_compute_config import (
    InputFile,
    JobFileError,
    Mark,
    load_text,
    load_with_inputs,
    missing_inputs,
)
from tests.sif_files import write_sif

META = "meta:\n  batch_name: a\n  namespace: b\n"
PYTHON = (
    META
    + """python:
  initialize:
    build_file: tools/my build.py
    required_files:
      - path: mesh.dat
  jobs:
    - name: one
      file: {path: run.py}
      required_files: [one.json, {alias: input.json, path: /abs/two.json}]
    - name: two
      file: run.py
"""
)
APPTAINER = META + "apptainer:\n  initialize: {sif: my image.sif, required_files: [a]}\n  jobs: [{name: j}]\n"


def test_every_mention_is_listed_in_order() -> None:
    base = ("python", "jobs", 0)
    assert load_text(PYTHON, "x").inputs() == (
        InputFile("tools/my build.py", "build.py", ("python", "initialize", "build_file"), Mark(6, 17)),
        InputFile("mesh.dat", "mesh.dat", ("python", "initialize", "required_files", 0), Mark(8, 15)),
        InputFile("run.py", "job.py", (*base, "file"), Mark(11, 20)),
        InputFile("one.json", "one.json", (*base, "required_files", 0), Mark(12, 24)),
        InputFile("/abs/two.json", "input.json", (*base, "required_files", 1), Mark(12, 60)),
        InputFile("run.py", "job.py", ("python", "jobs", 1, "file"), Mark(14, 13)),
    )


def test_an_image_is_an_input() -> None:
    assert [(one.path, one.name) for one in load_text(APPTAINER, "x").inputs()] == [
        ("my image.sif", "image.sif"),
        ("a", "a"),
    ]


def test_a_command_batch_may_name_no_file() -> None:
    assert load_text(META + "command: {jobs: [{name: j, command: x}]}\n", "x").inputs() == ()


def test_nothing_is_missing_when_all_is_there(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    for name in ("tools/my build.py", "mesh.dat", "run.py", "one.json"):
        (tmp_path / name).touch()
    text = PYTHON.replace("/abs/two.json", str(tmp_path / "mesh.dat"))
    assert missing_inputs(load_text(text, "x"), tmp_path) == []


def test_each_mention_of_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "tools/my build.py").mkdir(parents=True)
    os.mkfifo(tmp_path / "mesh.dat")
    (tmp_path / "one.json").touch()
    problems = missing_inputs(load_text(PYTHON, "x"), tmp_path)
    assert [(one.line, one.column, one.what) for one in problems] == [
        (6, 17, "python.initialize.build_file"),
        (8, 15, "python.initialize.required_files[0]"),
        (11, 20, "python.jobs[0].file"),
        (12, 60, "python.jobs[0].required_files[1]"),
        (14, 13, "python.jobs[1].file"),
    ]
    assert problems[0].why == f"{tmp_path}/tools/my build.py can't be read: not a regular file"
    assert problems[1].why == f"{tmp_path}/mesh.dat can't be read: not a regular file"
    assert problems[2].why == f"{tmp_path}/run.py can't be read: No such file or directory"
    assert problems[3].why == "/abs/two.json can't be read: No such file or directory"


def test_a_tilde_is_not_expanded(tmp_path: Path) -> None:
    loaded = load_text(APPTAINER.replace("my image.sif", "~/image.sif"), "x")
    (problem, _) = missing_inputs(loaded, tmp_path)
    assert problem.why == f"there is no file {tmp_path}/~/image.sif: ~ is not expanded"
    (tmp_path / "~").mkdir()
    write_sif(tmp_path / "~/image.sif")
    (tmp_path / "a").touch()
    assert missing_inputs(loaded, tmp_path) == []


def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    for name in ("my image.sif", "a"):
        (tmp_path / name).touch(mode=0)
    mine = os.geteuid()
    if mine == 0:
        # Root may read everything: look as somebody else.
        os.seteuid(65534)
    try:
        problems = missing_inputs(load_text(APPTAINER, "x"), tmp_path)
    finally:
        os.seteuid(mine)
    assert [one.why.endswith("can't be read: Permission denied") for one in problems] == [True, True]


def test_files_are_looked_for_although_the_text_has_mistakes(tmp_path: Path) -> None:
    """All in one go; a place that has a mistake already gets no second one."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "python:\n  initialize: {build_file: b.py, required_files: {a: 1}}\n  jobs:\n"
        "    - {name: one, file: {path: run.py, alias: ../x}, nice: 3, required_files: [gone, 7, {path: here}, '']}\n"
        "    - word\n"
        "command: [a]\n"
        "apptainer: {initialize: [c], jobs: {d: 1}}\n"
    )
    (tmp_path / "here").touch()
    with pytest.raises(JobFileError) as caught:
        load_with_inputs(path)
    missing = [(p.line, p.column, p.what) for p in caught.value.problems if "can't be read" in p.why]
    assert missing == [
        (2, 28, "python.initialize.build_file"),
        (4, 32, "python.jobs[0].file"),
        (4, 80, "python.jobs[0].required_files[0]"),
    ]
    assert "it is missing" in str(caught.value)
    with pytest.raises(JobFileError) as alone:
        load_text(path.read_text(), "x")
    assert [one.path for one in alone.value.mentions] == ["b.py", "run.py", "gone", "here"]

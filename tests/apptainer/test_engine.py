"""Which program runs images, and what is said where none can."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nodewatch.engine import EngineUnusable, try_engine
from spoold.snapshot import read_node
from spoold.tickets import State
from tests.apptainer.container_lab import ContainerLab
from tests.lab import FAST, Lab

Stand = Callable[[str, str], Path]


@pytest.fixture
def stand_in(tmp_path: Path) -> Stand:
    """Makes a program in a folder that has nothing else but what a node needs."""

    def make(name: str, script: str) -> Path:
        program = tmp_path / "bin" / name
        program.parent.mkdir()
        (program.parent / "cp").symlink_to(shutil.which("cp") or "")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return make


def test_singularity_serves_where_apptainer_is_absent(image: Path, tmp_path: Path, stand_in: Stand) -> None:
    """And brings the driver of graphics cards along for jobs that have one, for no others."""
    said = tmp_path / "said"
    program = stand_in("singularity", f'echo "$@" >> {said}\nexec {shutil.which("apptainer")} "$@"')
    with ContainerLab(tmp_path / "lab", FAST, image=image) as lab:
        lab.node("alpha", "--gpus", "1", env={"PATH": str(program.parent)})
        for name, gpus, shown in (("without", 0, "\n"), ("with", 1, "0\n")):
            script = "echo $CUDA_VISIBLE_DEVICES"
            key = lab.containers(name, {"a": script}, resources={"cores": 1, "gpus": gpus})
            assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
            assert lab.text(key, "a", "stdout.txt") == shown
    tried, without, with_card = said.read_text().splitlines()
    assert tried.startswith("exec ")
    assert [" --nv " in line for line in (without, with_card)] == [False, True]


def test_a_node_whose_apptainer_fails_says_so_and_takes_no_images(tmp_path: Path, stand_in: Stand) -> None:
    program = stand_in(
        "apptainer", "echo 'INFO: trying' >&2; echo 'FATAL:   no user namespaces' >&2; exit 255"
    )
    with Lab(tmp_path / "lab") as lab:
        lab.node("alpha", env={"PATH": str(program.parent)})
        info = read_node(lab.spool, "alpha")
        assert info is not None
        assert "apptainer" not in info.capabilities
        (trouble,) = lab.status("alpha").troubles
        assert trouble.startswith("apptainer can't run images: FATAL: no user namespaces")
        # Who doesn't want to hear of it says that the node shall not have it.
        lab.node("beta", "--without", "apptainer", env={"PATH": str(program.parent)})
        assert lab.status("beta").troubles == ()


def test_one_that_is_too_old_is_told_by_its_complaint(stand_in: Stand) -> None:
    program = stand_in(
        "apptainer", "echo 'Error for command \"exec\": unknown flag: --no-eval' >&2; echo usage >&2; exit 1"
    )
    with pytest.raises(EngineUnusable, match="unknown flag: --no-eval"):
        try_engine(str(program))

"""The example of a container: its image is built, its batch checked and run on a node, and its numbers are right."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spoold.tickets import State
from tests.lab import Lab, program
from tests.lab.apptainer import explain_lack

EXAMPLE = Path(__file__).parents[2] / "examples" / "apptainer"
TIMES = {"short": 0.05, "long": 0.2}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its image."""
    lack = explain_lack()
    if lack:
        pytest.skip(lack)
    folder = tmp_path_factory.mktemp("example") / "apptainer"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.sif"))
    done = subprocess.run([str(folder / "build-image.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{folder}/heat.sif\n"), done.stderr
    return folder


def solve(x: float, time: float) -> float:
    """The exact solution, as the example's page gives it."""
    waves = (math.pi * k for k in range(1, 40, 2))
    return sum(32 / w**3 * math.exp(-(w**2) * time) * math.sin(w * x) for w in waves)


def test_it_is_checked(example: Path) -> None:
    argv = [program("distribute"), "check", "distribute-jobs.yaml"]
    done = subprocess.run(argv, cwd=example, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    machine = os.uname().machine
    assert f"ok: example/heat, 2 jobs (apptainer), needs apptainer, {machine}, 3 input files" in done.stdout


def test_its_rod_cools_as_it_must(example: Path, tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        lab.node("alpha")
        private = lab.spool.layout.incoming / ".heat"
        shutil.copytree(example, private)
        private.rename(private.with_name("heat"))
        ended = lab.wait_finished("example/heat")
        assert set(ended) == {State.DONE}, lab.text("example/heat", "short", "stderr.txt")
        for job, time in TIMES.items():
            lines = lab.text("example/heat", job, "profile.csv").splitlines()
            for x, u in (map(float, line.split(",")) for line in lines):
                assert abs(u - solve(x, time)) < 0.004, (job, x)
            assert lab.text("example/heat", job, "stdout.txt").startswith("cooling a rod on 1 cores\n")

"""Functions as jobs of a real Slurm, whose nodes see the folder that is submitted from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.modes import Mode
from tests.cluster.function_contract import FunctionContract
from tests.cluster.on_slurm import submit_to
from tests.lab.slurm import SlurmLab


@pytest.fixture
def mode(slurm_lab: SlurmLab, monkeypatch: pytest.MonkeyPatch) -> Mode:
    return submit_to(slurm_lab, Mode.SLURM, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


class TestFunctions(FunctionContract):
    """Functions."""

"""Functions as jobs of a real Slurm, whose nodes see the folder that is submitted from; also by ``qsub``."""

from __future__ import annotations

import shutil
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


class TestByQsub:
    """The same by Debian's ``qsub`` over that Slurm: values, exceptions, arrays."""

    @pytest.fixture
    def mode(self, slurm_lab: SlurmLab, monkeypatch: pytest.MonkeyPatch) -> Mode:
        if not all(map(shutil.which, ("qsub", "qstat", "qdel"))):
            pytest.skip("no qsub here; type: sudo apt install slurm-wlm-torque")
        return submit_to(slurm_lab, Mode.TORQUE, monkeypatch)

    test_values = FunctionContract.test_a_function_returns_its_value_and_what_it_prints_is_kept
    test_exceptions = FunctionContract.test_the_exception_of_the_function_is_raised_here
    test_arrays = FunctionContract.test_a_map_raises_what_a_call_raised

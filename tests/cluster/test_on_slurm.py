"""The contract on a real Slurm."""

from __future__ import annotations

import pytest

from cluster.modes import Mode
from tests.cluster.contract import QueueContract
from tests.cluster.on_slurm import submit_to
from tests.lab.slurm import SlurmLab


@pytest.fixture
def mode(slurm_lab: SlurmLab, monkeypatch: pytest.MonkeyPatch) -> Mode:
    return submit_to(slurm_lab, Mode.SLURM, monkeypatch)


class TestSlurm(QueueContract):
    pass

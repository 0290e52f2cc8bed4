"""The contract by ``qsub``, ``qstat`` and ``qdel``, as Debian's slurm-wlm-torque puts them over a real Slurm.

It is no Torque: its ``qstat`` has no XML, and says of no job how it ended. Real Torques are in the captures.
"""

from __future__ import annotations

import shutil

import pytest

from cluster.modes import Mode
from tests.cluster.contract import QueueContract
from tests.cluster.on_slurm import submit_to
from tests.lab.slurm import SlurmLab


@pytest.fixture
def mode(slurm_lab: SlurmLab, monkeypatch: pytest.MonkeyPatch) -> Mode:
    if not all(map(shutil.which, ("qsub", "qstat", "qdel"))):
        pytest.skip("no qsub here; type: sudo apt install slurm-wlm-torque")
    return submit_to(slurm_lab, Mode.TORQUE, monkeypatch)


class TestImitation(QueueContract):
    # Its qsub hands Slurm a pattern for the output in which it quotes nothing.
    odd_name = "a b'c\"d$e"

"""The Slurm that other tests start, as the one that this process submits to."""

from __future__ import annotations

import pytest

from cluster.engines import client_for
from cluster.modes import Mode
from tests.lab.slurm import SlurmLab

#: Often, so that tests are quick; a cluster of many users is asked every other second.
POLL_S = 0.2


def submit_to(lab: SlurmLab, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> Mode:
    """Let jobs of a mode go to this Slurm, and have it asked often."""
    for name, value in lab.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(client_for(mode).polls, "every_s", POLL_S)
    return mode

"""``slurm_lab``: one cluster for all tests of a worker, started when the first one needs it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.slurm import SlurmLab, find_missing


@pytest.fixture(scope="session")
def slurm_lab() -> Iterator[SlurmLab]:
    """A real Slurm with two nodes. Tests that share it tell their own jobs by the ids that sbatch gave."""
    missing = find_missing()
    if missing:
        pytest.skip(f"no Slurm here; type: sudo apt install {' '.join(missing)}")
    # A socket's path has at most 107 characters: pytest's own folders are too deep.
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder,
        SlurmLab(Path(folder)) as lab,
    ):
        yield lab

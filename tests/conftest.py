"""For all tests: the order of the files, what is drawn at random, and Ctrl-C.

Run side by side, those files that take longest begin first.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.lab.slurm.fixtures import slurm_lab as slurm_lab
from tests.lab.ssh.fixtures import ssh_lab as ssh_lab

_LONGEST_FIRST = (
    "nfs/test_nfs.py",
    "spool/test_faults_of_nodes.py",
    "spool/test_power_loss.py",
    "spool/test_every_fault.py",
    "docs/test_transcripts.py",
    "slurm/test_export.py",
    "slurm/test_equal_archives.py",
    "notices/test_synapse.py",
    "cluster/test_on_slurm.py",
    "cluster/test_on_imitation.py",
    "node/test_coming_back.py",
    "apptainer/test_ending.py",
    "test_chaos.py",
    "node/test_pauses.py",
    "spool/test_machine_mutants.py",
    "node/test_bad_nodes.py",
    "node/test_restarts.py",
)
_RANKS = {Path(__file__).parent / name: rank for rank, name in enumerate(_LONGEST_FIRST)}


# A shell starts what it runs in the background with Ctrl-C ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A check gives the same answer twice. To look for what it didn't find yet, for longer and at random:
# pytest --hypothesis-profile search tests/spool/test_machine.py
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _RANKS.get(item.path, len(_RANKS)))

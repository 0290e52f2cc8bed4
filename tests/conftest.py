"""The order of the files: run side by side, those that take longest begin first."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

_LONGEST_FIRST = (
    "nfs/test_nfs.py",
    "test_chaos.py",
    "docs/test_transcripts.py",
    "spool/test_every_fault.py",
    "spool/test_power_loss.py",
    "spool/test_faults_of_nodes.py",
    "spool/test_machine_mutants.py",
)
_RANKS = {Path(__file__).parent / name: rank for rank, name in enumerate(_LONGEST_FIRST)}


# A shell starts what it runs in the background with Ctrl-C ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _RANKS.get(item.path, len(_RANKS)))

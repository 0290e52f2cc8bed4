"""A fresh lab for a test, and one that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab import FAST, Lab
from tests.node.gate import Gate


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A spool without daemons, in which no lease lapses, however long a daemon takes to come back."""
    with Lab(tmp_path / "lab", replace(FAST, lease_s=60.0)) as lab:
        yield lab


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A spool with one node, ``alpha``, for all tests of a module; each has batches of its own."""
    with Lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        lab.node("alpha")
        yield lab


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Lab]:
    """Where a lease lapses soon."""
    with Lab(tmp_path / "lab", replace(FAST, heartbeat_s=0.3, lease_s=2.0)) as lab:
        yield lab


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")

"""This machine's own queue keeps the contracts of all queues."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.modes import Mode
from tests.cluster.contract import QueueContract
from tests.cluster.function_contract import FunctionContract
from tests.cluster.on_local import local_queue


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, local_queue(tmp_path_factory.mktemp("state"), patch):
        yield


@pytest.fixture
def mode(queue: None) -> Mode:
    return Mode.LOCAL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


class TestScripts(QueueContract):
    """Scripts and commands."""


class TestFunctions(FunctionContract):
    """Functions."""

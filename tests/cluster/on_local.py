"""This machine's own queue in a state folder of a test's own, whose node ends with the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.engines import client_for
from cluster.engines.local import LocalEngine
from cluster.modes import Mode


@contextmanager
def local_queue(state: Path, monkeypatch: pytest.MonkeyPatch, cores: int = 2) -> Iterator[LocalEngine]:
    """The engine of a queue with ``cores`` cores below ``state``."""
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    client_for.cache_clear()
    engine = client_for(Mode.LOCAL).engine
    assert isinstance(engine, LocalEngine)
    engine.cores = cores
    try:
        yield engine
    finally:
        stop(engine)
        client_for.cache_clear()


def stop(engine: LocalEngine) -> None:
    """End the node and its jobs."""
    if engine.node.lives():
        engine.node.stop(30)


def node_pid(engine: LocalEngine) -> int:
    """The process of the node that lives."""
    pid = int((engine.node.scratch / "pid").read_text())
    os.kill(pid, 0)
    return pid

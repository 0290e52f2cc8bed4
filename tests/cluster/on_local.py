"""This machine's own queue in a state folder of a test's own, whose node ends with the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.engines import client_for
from cluster.engines.local import LocalEngine

_SHOWN = 5000


@contextmanager
def local_queue(state: Path, monkeypatch: pytest.MonkeyPatch, cores: int = 2) -> Iterator[LocalEngine]:
    """An engine of the queue below ``state``, which has ``cores`` cores as long as this lasts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    # Whoever makes an engine meanwhile has one for this queue.
    monkeypatch.setattr("cluster.engines.local.get_option", lambda section, key: cores)
    client_for.cache_clear()
    engine = LocalEngine()
    try:
        yield engine
    except BaseException:
        print(f"the node said:\n{engine.node.log.read_text()[-_SHOWN:] if engine.node.log.exists() else ''}")
        raise
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

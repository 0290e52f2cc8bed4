"""The page about functions does what it shows, on this machine's own queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import engines
from cluster.engines.local import LocalEngine
from tests.cluster.on_local import local_queue, stop
from tests.cluster.test_pages import ON_THIS_MACHINE, run_page


def test_the_python_of_the_page_does_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLUSTER_QUEUE", "local")
    with local_queue(tmp_path / "state", monkeypatch):
        try:
            run_page(ON_THIS_MACHINE)
        finally:
            engine = engines.local_client(2).engine
            assert isinstance(engine, LocalEngine)
            stop(engine)
            engines.local_client.cache_clear()

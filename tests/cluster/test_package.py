"""The package's names: lazy, complete, and none of them a stub."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cluster


def test_every_name_leads_to_what_it_names() -> None:
    for name in cluster._HOMES:
        assert getattr(cluster, name) is not None
        assert name in dir(cluster)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quue'"):
        cluster.quue  # noqa: B018


def test_importing_it_costs_nothing() -> None:
    program = "import cluster, sys; print({m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not eval(done.stdout) & {"rich", "pydantic", "yaml", "filelock", "psutil", "spoold", "subprocess"}

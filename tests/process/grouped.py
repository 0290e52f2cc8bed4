"""Control groups for tests, where this machine lets us make some; where not, a skip that says why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nodewatch.process.delegation import Delegation, Undelegated, delegate


@contextmanager
def groups_of_our_own() -> Iterator[Delegation]:
    """A folder for groups that nobody else uses; this process is where it was afterwards."""
    delegation = delegate()
    if isinstance(delegation, Undelegated):
        pytest.skip(f"no control groups here: {delegation.why}")
    base = delegation.base / f"test-{os.getpid()}"
    base.mkdir()
    for controller in delegation.controllers:
        (base / "cgroup.subtree_control").write_text(f"+{controller}")
    try:
        yield replace(delegation, base=base)
    finally:
        # Fails if a run left its group, or a process in it.
        base.rmdir()


def read_count(file: Path, key: str) -> int:
    """A number of a file such as ``cgroup.events``."""
    return int(dict(line.split() for line in file.read_text().splitlines())[key])

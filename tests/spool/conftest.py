"""Spools in memory where there is a tmpfs: these tests make hundreds of them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spoold import faults, renaming
from tests.spool.lab import Lab, make_lab


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base, prefix="spool-") as folder:
        # Others must get in: some tests work as another user.
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def lab(fast_folder: Path) -> Lab:
    return make_lab(fast_folder)


@pytest.fixture
def make(fast_folder: Path) -> Callable[[], Lab]:
    """Makes one spool after another."""
    count = 0

    def one() -> Lab:
        nonlocal count
        count += 1
        return make_lab(fast_folder / str(count))

    return one


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No waits between tries, and no thousand warnings of what was arranged."""
    monkeypatch.setattr(faults, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(renaming, "FIRST_PAUSE_S", 0.0)
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user, which only root may")

"""A lab's spool with two workstations, all on this machine, as the one that this process submits to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from spoold.snapshot import read_node
from spoold.spool import Settings, Spool, init_spool
from tests.support import wait_until

QUICK = Settings(heartbeat_s=1.0, lease_s=20.0, settle_s=0.2, rescan_s=0.2, retry_wait_s=0.0)
_PASSED = ("PATH", "HOME", "LANG")


@contextmanager
def lab_spool(folder: Path) -> Iterator[Spool]:
    """A new spool in ``folder``, served by two nodes of two cores each, which know nothing of this process."""
    spool = init_spool(folder / "spool", QUICK)
    with ExitStack() as stack:
        for name in ("anna", "berta"):
            stack.enter_context(_node(spool, folder, name))
        for name in ("anna", "berta"):
            wait_until(lambda name=name: read_node(spool, name))  # type: ignore[misc]
        yield spool


@contextmanager
def _node(spool: Spool, folder: Path, name: str) -> Iterator[None]:
    words = ["--spool", spool.root, "--scratch", folder / name, "--name", name, "--cores", "2"]
    argv = [sys.executable, "-P", "-m", "nodewatch", "--config", os.devnull, *map(str, words)]
    with open(folder / f"{name}.log", "wb") as log:
        environment = {key: os.environ[key] for key in _PASSED if key in os.environ}
        process = subprocess.Popen(argv, env=environment, cwd="/", stdout=log, stderr=log)
    try:
        yield
    finally:
        subprocess.run([*argv, "--stop", "--requeue"], cwd="/", timeout=60, check=False, capture_output=True)
        process.kill()
        process.wait()

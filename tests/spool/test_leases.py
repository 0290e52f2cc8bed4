"""Taking a lease over on a file system that can't exchange two names in one step, as NFS: from the dead, not the living."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spoold.leases import make_lease, try_acquire
from spoold.spool import Settings, Spool, init_spool
from tests.spool.places import missing_for_mounts, mounted
from tests.support import wait_until

SETTINGS = Settings(heartbeat_s=0.2, lease_s=1.5)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Behind a FUSE mount, which refuses to exchange names as NFS does."""
    if missing := missing_for_mounts():
        pytest.skip(missing)
    real, point = tmp_path / "real", tmp_path / "mount"
    real.mkdir()
    point.mkdir()
    try:
        with mounted(real, point):
            yield init_spool(point / "spool", SETTINGS)
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


@pytest.fixture
def hold(spool: Spool) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a process that holds the lease of node ``n1``, as if on that host."""
    started = []

    def start(host: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.spool.lease_holder", str(spool.root), "n1", host]
        started.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout and started[-1].stdout.readline() == "holding\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_from_a_dead_process_of_this_host_at_once(
    spool: Spool, hold: Callable[[str], subprocess.Popen[str]]
) -> None:
    holder = hold(socket.gethostname())
    lease = make_lease(spool.layout.node("n1").lease, SETTINGS)
    assert not try_acquire(lease)
    holder.kill()
    holder.wait()
    assert try_acquire(lease)
    lease.release()


def test_from_a_host_that_is_silent_after_the_lease(
    spool: Spool, hold: Callable[[str], subprocess.Popen[str]]
) -> None:
    holder = hold("elsewhere")
    lease = make_lease(spool.layout.node("n1").lease, SETTINGS)
    assert not try_acquire(lease)
    holder.kill()
    holder.wait()
    silent_since_s = time.monotonic()
    wait_until(lambda: try_acquire(lease), 10, what="the lease is ours")
    assert time.monotonic() - silent_since_s > SETTINGS.lease_s - 2 * SETTINGS.heartbeat_s
    assert lease.owner and lease.owner.hostname == socket.gethostname()
    lease.release()


def test_not_from_a_host_that_lives(spool: Spool, hold: Callable[[str], subprocess.Popen[str]]) -> None:
    holder = hold("elsewhere")
    lease = make_lease(spool.layout.node("n1").lease, SETTINGS)
    end_s = time.monotonic() + 2 * SETTINGS.lease_s
    with pytest.raises(AssertionError, match="nobody took it"):
        wait_until(lambda: try_acquire(lease), 2 * SETTINGS.lease_s, what="nobody took it")
    assert time.monotonic() > end_s
    assert lease.owner and lease.owner.pid == holder.pid

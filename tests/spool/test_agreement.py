"""Daemons that read spool.yaml before and after it was changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from spoold.leases import SettingsMismatch, require_agreement
from spoold.spool import Settings, Spool, init_spool, open_spool
from spoold.steward import Steward
from tests.support import wait_until

OLD = Settings(heartbeat_s=0.2, lease_s=1.5)
Hold = Callable[[str, str], subprocess.Popen[str]]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return init_spool(tmp_path / "spool", OLD)


@pytest.fixture
def hold(spool: Spool) -> Iterator[Hold]:
    """Starts a holder of a node's lease, on a host of that name."""
    started = []

    def start(node: str, host: str) -> subprocess.Popen[str]:
        program = Path(__file__).with_name("lease_holder.py")
        argv = [sys.executable, str(program), str(spool.root), node, host]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def changed(spool: Spool, lease_s: float) -> Spool:
    text = spool.layout.settings.read_text()
    spool.layout.settings.write_text(text.replace("lease_s: 1.5", f"lease_s: {lease_s:g}"))
    opened = open_spool(spool.root)
    assert opened.settings == replace(OLD, lease_s=lease_s)
    return opened


def test_a_daemon_of_other_settings_is_refused_while_it_lives(spool: Spool, hold: Hold) -> None:
    holder = hold("alpha", "elsewhere")
    require_agreement(spool, Event())
    now = changed(spool, 3.0)
    with pytest.raises(SettingsMismatch) as caught:
        require_agreement(now, Event())
    assert f"is refreshed by elsewhere (pid {holder.pid})" in str(caught.value)
    assert "its lease_s is 1.5, in" in str(caught.value)
    assert "lease_s is 3 and heartbeat_s is 0.2" in str(caught.value)
    # Its own lease is no reason: it will be taken over.
    require_agreement(now, Event(), now.layout.node("alpha").lease)
    holder.kill()
    holder.wait()
    require_agreement(now, Event())
    # Whoever starts next needn't wait for the dead one again.
    assert not now.layout.node("alpha").lease.exists()


def test_a_daemon_of_another_heartbeat_is_refused_while_it_lives(spool: Spool, hold: Hold) -> None:
    holder = hold("alpha", "elsewhere")
    settings = spool.layout.settings
    settings.write_text(settings.read_text().replace("heartbeat_s: 0.2", "heartbeat_s: 1.2"))
    now = open_spool(spool.root)
    with pytest.raises(SettingsMismatch) as caught:
        require_agreement(now, Event())
    assert "its heartbeat_s is 0.2, in" in str(caught.value)
    assert "heartbeat_s is 1.2" in str(caught.value)
    holder.kill()
    holder.wait()
    require_agreement(now, Event())


@pytest.mark.parametrize("program", ["spoold", "nodewatch"])
def test_the_programs_say_so(spool: Spool, hold: Hold, program: str, tmp_path: Path) -> None:
    hold("alpha", "elsewhere")
    changed(spool, 4.0)
    argv = [str(Path(sys.executable).with_name(program)), "--spool", str(spool.root)]
    if program == "nodewatch":
        argv += ["--name", "beta", "--scratch", str(tmp_path / "scratch")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "after a change of spool.yaml stop every daemon, then start them all" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("lease_s", [0.6, 3.0])
def test_the_dead_are_taken_over_after_their_own_patience(spool: Spool, hold: Hold, lease_s: float) -> None:
    holder = hold("alpha", "elsewhere")
    claimed = spool.layout.batch("ns", "b").path / "claimed"
    claimed.mkdir(parents=True)
    now = changed(spool, lease_s)
    steward = Steward(now)
    holder.kill()
    holder.wait()
    (claimed / "a~1@alpha").touch()
    lease = now.layout.node("alpha").lease
    before = lease.read_text()
    wait_until(lambda: (steward.sweep(), not lease.exists() or lease.read_text() != before)[1], 15)
    steward.close()

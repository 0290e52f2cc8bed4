"""Somebody sets the time of day, by an hour and in either direction: no lease lapses, and nothing is lost."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from spoold.losses import read_losses
from spoold.tickets import State, Ticket
from tests.lab import Lab
from tests.support import wait_until

HOUR_S = 3600


def set_clock(clock: Path, ahead_s: int) -> None:
    """In one step: a daemon may read it at any time."""
    private = clock.with_suffix(".new")
    private.write_text(str(ahead_s))
    private.replace(clock)


def test_clocks_that_jump(quick: Lab, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    jumping = (sys.executable, str(Path(__file__).with_name("jumping.py")), str(clock))
    steward = quick.steward(before=jumping)
    says = "while ! test -e {0}/{1}; do sleep 0.05; done; echo {1}"
    words = ["back", "ahead", "end"]
    key = quick.batch("timed", {"a": "; ".join(says.format(tmp_path, word) for word in words)})
    alpha = quick.node("alpha", "--no-steward", before=jumping)
    quick.wait_state(key, "a", State.CLAIMED)
    beta = quick.node("beta", "--no-steward", before=jumping)
    live = quick.spool.layout.node("alpha").log(*key.split("/"), Ticket("a", 1), "stdout")
    for word, ahead_s in (("back", -HOUR_S), ("ahead", HOUR_S)):
        set_clock(clock, ahead_s)
        jumped_s = time.monotonic()
        (tmp_path / word).touch()
        quick.wait(lambda word=word: live.exists() and word in live.read_text(), 10, "its output is live")
        wait_until(lambda since_s=jumped_s: time.monotonic() - since_s > 2 * quick.settings.lease_s)
        assert quick.tickets(key) == {State.CLAIMED: ["a~1@alpha"]}
    (tmp_path / "end").touch()
    assert quick.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    place = quick.place(key)
    assert place
    assert read_losses(quick.spool, place) == []
    for daemon in (steward, alpha, beta):
        assert "lost" not in daemon.said
    assert quick.record(key, "a").wall_s < HOUR_S

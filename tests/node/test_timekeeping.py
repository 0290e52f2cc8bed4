"""The clock of a run, which stands still in a pause. Pure."""

from __future__ import annotations

import pytest

from nodewatch.timekeeping import RunClock


def test_time_stands_still_in_a_pause() -> None:
    clock = RunClock(100.0)
    assert clock.used_s(110.0) == 10.0
    clock = clock.observe(True, 110.0).observe(True, 120.0)
    assert clock.used_s(500.0) == 10.0
    clock = clock.observe(False, 500.0).observe(False, 501.0)
    assert clock.used_s(505.0) == 15.0
    assert clock.observe(True, 505.0).observe(False, 506.0).used_s(507.0) == 16.0


@pytest.mark.parametrize("paused", [True, False])
def test_the_next_daemon_goes_on(paused: bool) -> None:
    clock = RunClock(100.0).observe(True, 110.0).observe(False, 150.0).observe(paused, 160.0)
    later = RunClock.from_json(clock.to_json(), 100.0, 170.0)
    assert later == clock
    assert later.observe(False, 180.0).used_s(190.0) == (30.0 if paused else 50.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"paused_s": 1}',
        '{"paused_s": [], "paused_since_s": null}',
        '{"paused_s": 80, "paused_since_s": null}',
        '{"paused_s": -5, "paused_since_s": null}',
        '{"paused_s": 0, "paused_since_s": 20}',
        '{"paused_s": 0, "paused_since_s": 1e9}',
        '{"paused_s": NaN, "paused_since_s": null}',
    ],
)
def test_what_a_job_may_have_written_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        RunClock.from_json(text, 100.0, 170.0)

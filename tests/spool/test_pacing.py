"""How long daemons leave the spool alone."""

from __future__ import annotations

import pytest

from spoold.pacing import spacing_s


@pytest.mark.parametrize(
    ("took_s", "expected_s"),
    [
        pytest.param(0.001, 1.5, id="a small spool"),
        pytest.param(0.5, 5.0, id="a large spool: a tenth of the time"),
        # A server that was away for a minute: without a bound nobody would look for ten minutes more.
        pytest.param(60.0, 15.0, id="a server that was away"),
    ],
)
def test_spacing(took_s: float, expected_s: float) -> None:
    assert spacing_s(1.5, took_s, 0.1, 15.0) == expected_s


def test_the_least_is_kept() -> None:
    assert spacing_s(0.2, 0.0, 0.1, 15.0) == 0.2
    assert spacing_s(60.0, 100.0, 0.1, 15.0) == 60.0

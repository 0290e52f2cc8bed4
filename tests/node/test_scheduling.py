"""Who starts now, and for whom room is kept."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodewatch.capacity import Capacity, Need
from nodewatch.scheduling import PATIENCE_S, Choice, Reservation, Running, Waiting, choose

NODE = Capacity(4, 8 << 30, 2)
NOW_S = 1000.0


def need(cores: int, time_s: float | None = None, gpus: int = 0) -> Need:
    return Need(cores, gpus=gpus, time_s=time_s)


WHOLE = Need(4, 8 << 30, 2, whole=True)


def running(cores: int, ends_s: float | None = None, started_s: float = NOW_S) -> Running:
    return Running(Capacity(cores, 0, 0), started_s, ends_s)


def pick(
    waiting: Sequence[Need],
    at_work: Sequence[Running] = (),
    now_s: float = NOW_S,
    since_s: float | None = None,
) -> Choice[int]:
    standing = None if since_s is None else Reservation(0, since_s)
    jobs = [Waiting(number, one, number) for number, one in enumerate(waiting)]
    return choose(jobs, at_work, NODE, now_s, standing)


@pytest.mark.parametrize(
    ("waiting", "at_work", "started"),
    [
        pytest.param([], [], None, id="nobody waits"),
        pytest.param([need(1)], [], 0, id="room for one"),
        pytest.param([need(1), need(1)], [running(3)], 0, id="the best of those that fit"),
        pytest.param([need(5), need(1)], [], 1, id="one that never fits here is passed over"),
        pytest.param([need(1, gpus=3), need(1)], [], 1, id="too many GPUs"),
        pytest.param([WHOLE], [running(1)], None, id="the whole node, but somebody is there"),
        pytest.param([WHOLE, need(1)], [], 0, id="the whole node, and nobody is there"),
        # The large job (3 cores) gets its place when the running one ends, at 1060.
        pytest.param([need(3), need(2, 60)], [running(2, NOW_S + 60)], 1, id="it is back in time"),
        pytest.param([need(3), need(2, 61)], [running(2, NOW_S + 60)], None, id="it would be late"),
        pytest.param([need(3), need(2)], [running(2, NOW_S + 60)], None, id="nobody knows when it ends"),
        pytest.param([need(3), need(1)], [running(2, NOW_S + 60)], 1, id="it needs what is spare then"),
        pytest.param([need(3), need(2, 90), need(1)], [running(2, NOW_S + 60)], 2, id="the next one may"),
        pytest.param([WHOLE, need(1, 60)], [running(2, NOW_S + 60)], 1, id="before a whole node, in time"),
        pytest.param([WHOLE, need(1)], [running(2, NOW_S + 60)], None, id="not before a whole node"),
        pytest.param(
            [need(4), need(1, 50)],
            [running(2, NOW_S + 100), running(1, NOW_S + 40)],
            1,
            id="the time at which all of what is needed is free",
        ),
        pytest.param([need(3), need(2)], [running(2)], 1, id="nobody says when, and it waits since now"),
    ],
)
def test_choice(waiting: Sequence[Need], at_work: Sequence[Running], started: int | None) -> None:
    assert pick(waiting, at_work).start == started


def test_patience_ends_where_nobody_says_how_long() -> None:
    waiting, since_s = [need(3), need(2), need(1)], NOW_S - PATIENCE_S
    assert pick(waiting, [running(2, started_s=0.0)], since_s=since_s + 1).start == 1
    # From now on only what leaves room for the first.
    assert pick(waiting, [running(2, started_s=0.0)], since_s=since_s).start == 2
    later = [running(2, started_s=0.0), running(1, started_s=NOW_S + 1)]
    assert pick([need(3), need(1)], later, now_s=NOW_S + 2, since_s=since_s).start is None


def test_the_reservation_is_kept_while_the_same_job_waits() -> None:
    at_work = [running(2)]
    first = pick([need(3)], at_work)
    assert first.reservation == Reservation(0, NOW_S)
    assert pick([need(3)], at_work, NOW_S + 5, NOW_S).reservation == Reservation(0, NOW_S)
    assert pick([need(1)], at_work, NOW_S + 5, NOW_S).reservation is None


_needs = st.builds(
    Need,
    cores=st.integers(1, 4),
    time_s=st.integers(1, 50).map(float),
    whole=st.just(False),
)


@given(st.lists(st.tuples(_needs, st.integers(0, 40)), max_size=12), st.integers(1, 4))
def test_backfilling_delays_no_reservation(arrivals: list[tuple[Need, int]], large: int) -> None:
    """All of whom the time is known: the large job starts no later than without those that came after it."""
    assert start_of_large(arrivals, large) <= start_of_large([], large)


def start_of_large(arrivals: list[tuple[Need, int]], large: int) -> float:
    """When a job of ``large`` cores starts that waits from 0 s on, behind two that run until 20 s and 30 s."""
    at_work = [running(1, 20.0, 0.0), running(3, 30.0, 0.0)]
    later = sorted(arrivals, key=lambda one: one[1])
    for now in range(100):
        at_work = [job for job in at_work if job.ends_s is None or job.ends_s > now]
        while True:
            here = [Waiting(0, need(large, 10.0), -1)]
            here += [Waiting(n + 1, one, n) for n, (one, at) in enumerate(later) if at <= now]
            started = choose(here, at_work, NODE, float(now)).start
            if started == -1:
                return now
            if started is None:
                break
            one, _ = later.pop(started)
            assert one.time_s
            at_work.append(Running(Capacity(one.cores, 0), float(now), now + one.time_s))
    raise AssertionError("it starved")

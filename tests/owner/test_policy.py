"""The owner's policy as a table: what is seen when, and what stance follows."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from nodewatch.owner import OwnerPolicy, OwnerState, Seen, Source, Stance, Unknown

FREE, HOLD, SUSPEND, EVICT = Stance.FREE, Stance.HOLD, Stance.SUSPEND, Stance.EVICT
POLICY = OwnerPolicy()
NOBODY = math.inf

#: (minute, minutes since the keyboard was used, cores busy with other work) → stance.
Row = tuple[float, float, float, Stance]


def run(policy: OwnerPolicy, looks: list[tuple[float, Seen]]) -> list[OwnerState]:
    state = policy.begin(looks[0][1], looks[0][0])
    states = [state]
    for now_s, seen in looks[1:]:
        state = policy.step(state, seen, now_s)
        states.append(state)
    return states


def stances(policy: OwnerPolicy, rows: list[Row], seen_by: Source = Source.SEAT) -> list[Stance]:
    looks = []
    for minute, idle_min, load, _ in rows:
        idle_s = idle_min * 60
        seen = Seen(idle_s if seen_by is Source.SEAT else NOBODY, NOBODY, load)
        if seen_by is Source.TERMINAL:
            seen = replace(seen, terminal_idle_s=idle_s)
        looks.append((minute * 60 + 5000, seen))
    return [state.stance for state in run(policy, looks)]


TABLE: dict[str, list[Row]] = {
    "unused: jobs are taken after the first look": [(0, 20, 0.0, HOLD), (0.1, 20.1, 0.0, FREE)],
    "nobody is logged in": [(0, NOBODY, 0.0, HOLD), (0.1, NOBODY, 0.0, FREE)],
    "used lately: jobs go on, none is taken": [(0, 6, 0.0, HOLD), (8, 14, 0.0, HOLD), (9.1, 15.1, 0.0, FREE)],
    "used: stop at once": [(0, 20, 0.0, HOLD), (1, 21, 0.0, FREE), (2, 0.1, 0.0, SUSPEND)],
    "used a minute ago is not used": [(0, 20, 0.0, HOLD), (1, 1.0, 0.0, HOLD), (2, 0.99, 0.0, SUSPEND)],
    "quiet for five minutes: go on; for fifteen: take": [
        (0, 20, 0.0, HOLD), (1, 0.0, 0.0, SUSPEND), (3, 2.0, 0.0, SUSPEND), (5.9, 4.9, 0.0, SUSPEND),
        (6.1, 5.1, 0.0, HOLD), (15, 14, 0.0, HOLD), (16.1, 15.1, 0.0, FREE),
    ],
    "used again and again: end what was stopped for ten minutes": [
        (0, 20, 0.0, HOLD), (1, 0.0, 0.0, SUSPEND), (5, 3.0, 0.0, SUSPEND), (6, 0.0, 0.0, SUSPEND),
        (10.9, 4.9, 0.0, SUSPEND), (11, 4.9, 0.0, EVICT), (12, 0, 0.0, EVICT), (17.1, 5.1, 0.0, HOLD),
        (27.1, 15.1, 0.0, FREE),
    ],
    "used anew while jobs go on": [
        (0, 20, 0.0, HOLD), (1, 0.0, 0.0, SUSPEND), (6.1, 5.1, 0.0, HOLD), (7, 0.2, 0.0, SUSPEND),
        (16.9, 0.2, 0.0, SUSPEND), (17, 0.2, 0.0, EVICT),
    ],
    "a high load for two minutes stops": [
        (0, 60, 0.0, HOLD), (1, 61, 0.0, FREE), (2, 62, 0.5, HOLD), (3.9, 64, 4.0, HOLD), (4, 64, 0.5, SUSPEND),
    ],
    "a load that falls in between begins anew": [
        (0, 60, 0.0, HOLD), (1, 61, 2.0, HOLD), (2.5, 62, 0.49, HOLD), (3, 63, 2.0, HOLD), (4.9, 64, 2.0, HOLD),
        (5, 65, 2.0, SUSPEND),
    ],
    "between the two loads things stay": [
        (0, 60, 0.4, HOLD), (1, 61, 0.4, HOLD), (2, 62, 0.3, FREE), (3, 63, 0.4, FREE), (30, 90, 0.4, FREE),
    ],
    "after a load: five minutes, and quiet": [
        (0, 60, 1.0, HOLD), (2, 62, 1.0, SUSPEND), (3, 63, 0.0, SUSPEND), (6.9, 66, 0.0, SUSPEND),
        (7, 67, 0.4, SUSPEND), (8, 68, 0.3, HOLD), (8.1, 68, 0.0, FREE),
    ],
    "a load that stays": [(0, 60, 1.0, HOLD), (2, 62, 1.0, SUSPEND), (12, 72, 1.0, EVICT), (13, 73, 0.2, HOLD)],
    "a daemon that begins where jobs may stand still": [
        (0, 2.0, 0.0, SUSPEND), (2.9, 4.9, 0.0, SUSPEND), (3.1, 5.1, 0.0, HOLD),
    ],
    "the same, and the owner comes back": [(0, 4.0, 0.0, SUSPEND), (5.9, 0.1, 0.0, SUSPEND), (6, 0.1, 0.0, EVICT)],
}  # fmt: skip


@pytest.mark.parametrize("source", [Source.SEAT, Source.TERMINAL], ids=lambda source: source.value)
@pytest.mark.parametrize("rows", TABLE.values(), ids=TABLE)
def test_table(rows: list[Row], source: Source) -> None:
    assert stances(POLICY, rows, source) == [row[3] for row in rows]


def test_defaults_are_those_of_the_published_policy() -> None:
    minute = 60.0
    assert POLICY.start_idle_s == 15 * minute
    assert POLICY.active_within_s == minute
    assert POLICY.busy_for_s == 2 * minute
    assert POLICY.continue_idle_s == 5 * minute
    assert POLICY.max_suspend_s == 10 * minute
    assert (POLICY.load, POLICY.quiet_load) == (0.5, 0.3)


def test_never_evicted() -> None:
    policy = replace(POLICY, max_suspend_s=math.inf)
    rows: list[Row] = [(0, 0.0, 0.0, SUSPEND), (10_000, 0.0, 0.0, SUSPEND)]
    assert stances(policy, rows) == [row[3] for row in rows]


@pytest.mark.parametrize(
    ("unknown", "seen", "expected", "why"),
    [
        (Unknown.IGNORE, Seen(None, NOBODY, 0.0), FREE, "unused for 15m"),
        (Unknown.IGNORE, Seen(None, 10.0, 0.0), SUSPEND, "somebody types in a terminal"),
        (Unknown.IGNORE, Seen(NOBODY, NOBODY, None), FREE, "unused"),
        (Unknown.IGNORE, Seen(None, None, None), FREE, "unused"),
        (Unknown.IDLE, Seen(None, NOBODY, None), FREE, "unused"),
        (Unknown.BUSY, Seen(None, NOBODY, 0.0), SUSPEND, "its seat can't be looked at"),
        (Unknown.BUSY, Seen(NOBODY, None, 0.0), SUSPEND, "its terminal can't be looked at"),
        (Unknown.BUSY, Seen(NOBODY, NOBODY, None), SUSPEND, "its load can't be looked at"),
        (Unknown.BUSY, Seen(NOBODY, NOBODY, 0.0), FREE, "unused"),
    ],
)
def test_unknown(unknown: Unknown, seen: Seen, expected: Stance, why: str) -> None:
    policy = replace(POLICY, unknown=unknown)
    last = run(policy, [(second, seen) for second in (0.0, 60.0, 120.0, 180.0)])[-1]
    assert last.stance is expected
    assert why in last.why


def test_a_source_that_isn_t_asked_for_doesn_t_count() -> None:
    policy = replace(POLICY, sources=(Source.TERMINAL,), unknown=Unknown.BUSY)
    looks = [(second, Seen(0.0, NOBODY, 8.0)) for second in (0.0, 60.0, 240.0)]
    assert run(policy, looks)[-1].stance is FREE
    assert policy.find_unknown(Seen(None, None, None)) == (Source.TERMINAL,)


def test_why_and_since_are_those_of_the_change() -> None:
    looks = [
        (0.0, Seen(NOBODY, NOBODY, 0.0)),
        (10.0, Seen(NOBODY, NOBODY, 0.0)),
        (20.0, Seen(NOBODY, 1.0, 0.0)),
        (30.0, Seen(1.0, 11.0, 3.0)),
    ]
    states = run(POLICY, looks)
    assert [(state.stance, state.since_s) for state in states] == [
        (HOLD, 0.0),
        (FREE, 10.0),
        (SUSPEND, 20.0),
        (SUSPEND, 20.0),
    ]
    assert states[-1].why == "somebody types in a terminal"
    assert states[-1].high_since_s == 30.0
    evicted = POLICY.step(states[-1], looks[-1][1], 620.0)
    assert (evicted.stance, evicted.why) == (EVICT, "somebody types in a terminal, for 10m by now")

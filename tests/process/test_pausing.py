"""What a pause file asks for, and that one touch pauses once."""

from __future__ import annotations

import json

import pytest

from nodewatch.process import PauseRequest, PauseState, Touch
from nodewatch.process.pausing import hits

TOUCH = Touch(inode=7, mtime_ns=1_000, content="10m")


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("", 3600),
        (" \n", 3600),
        ("2h", 7200),
        ("1h30m10s\n", 5410),
        ("90s", 90),
        ("45m", 2700),
        ("4h", 14400),
    ],
)
def test_durations(text: str, duration_s: float) -> None:
    assert PauseRequest.parse(text) == PauseRequest(duration_s)


@pytest.mark.parametrize("text", ["5h", "3d", "4h1s"])
def test_a_pause_is_at_most_four_hours(text: str) -> None:
    request = PauseRequest.parse(text)
    assert request.duration_s == 4 * 3600
    assert "too long" in request.note


@pytest.mark.parametrize("text", ["soon", "0s", "-1h", "1.5", "nan", "\0\xff", "x" * 100_000])
def test_nonsense_pauses_for_an_hour_and_says_so(text: str) -> None:
    request = PauseRequest.parse(text)
    assert request.duration_s == 3600
    assert "is not a duration" in request.note
    assert len(request.note) < 400


RUNNING = ("anna/hello/one", "anna/hello/two", "bert/other/one", "bert/other/2h")


@pytest.mark.parametrize(
    ("text", "duration_s", "targets"),
    [
        ("anna/hello/one", 3600, ("anna/hello/one",)),
        ("30m anna/hello/one\n", 1800, ("anna/hello/one",)),
        ("anna/hello/one\n30m", 1800, ("anna/hello/one",)),
        ("anna/hello  two\n1h 30m", 5400, ("anna/hello", "anna/hello/two")),
        ("anna/hello/later anna/hello/later", 3600, ("anna/hello/later",)),
        ("two", 3600, ("anna/hello/two",)),
        ("all", 3600, ()),
        ("all 20m anna/hello/one", 1200, ()),
        ("2h", 7200, ()),
        ("2h bert/other/2h", 7200, ("bert/other/2h",)),
    ],
)
def test_a_pause_may_be_for_some_jobs(text: str, duration_s: float, targets: tuple[str, ...]) -> None:
    assert PauseRequest.parse(text, RUNNING) == PauseRequest(duration_s, "", targets)


@pytest.mark.parametrize(
    "text",
    ["three", "30m three", "30m 2-1", "2h 3h", "a/b/c/d", "anna/", "/hello", "anna/../one", "30m anna/h!/x"],
)
def test_nonsense_beside_sense_pauses_everything(text: str) -> None:
    request = PauseRequest.parse(text, RUNNING)
    assert (request.duration_s, request.targets) == (3600, ())
    assert "is not a duration" in request.note and "pausing everything for 1h" in request.note


def test_a_name_that_several_jobs_have_pauses_all_of_them_and_says_so() -> None:
    request = PauseRequest.parse("one 5h", RUNNING)
    assert request.targets == ("anna/hello/one", "bert/other/one")
    assert request.note.startswith("one means anna/hello/one and bert/other/one; 5h is too long")


@pytest.mark.parametrize(
    ("job", "hit"),
    [("a/b/c", True), ("a/b/d", False), ("x/y/z", True), ("x/yy/z", False), ("a/b", False), ("x/y", True)],
)
def test_a_target_is_a_job_or_all_of_a_batch(job: str, hit: bool) -> None:
    assert hits(("a/b/c", "x/y"), job) is hit


def test_what_a_name_means_is_settled_once() -> None:
    """A job that ends doesn't turn its pause into nonsense, which would stop all the others."""
    touch = Touch(1, 1, "one")
    state = PauseState().observe(touch, 0.0, ["a/b/one"])
    assert state.observe(touch, 1.0, []).targets == ("a/b/one",)
    assert carry_over(state, gap_s=1.0).targets == ("a/b/one",)
    assert state.observe(None, 2.0).targets == ()


def test_whose_a_file_is_makes_no_other_touch_of_it() -> None:
    state = PauseState().observe(Touch(1, 1, "", uid=7), 0.0)
    assert state.observe(Touch(1, 1, "", uid=None), 4000.0).until_s is None


def test_the_record_of_an_earlier_version() -> None:
    record = '{"touch": {"inode": 7, "mtime_ns": 1000, "content": "10m"}, "left_s": 9.0, "ends_at": 9.0, "note": ""}'
    state = PauseState.from_json(record, 0.0, 0.0)
    assert state == PauseState(TOUCH, 9.0)


def test_a_touch_pauses_once() -> None:
    state = PauseState().observe(TOUCH, now_s=100.0)
    assert state.until_s == 700.0
    state = state.observe(TOUCH, 699.9)
    assert state.pauses(699.9)
    for now_s in (700.0, 701.0, 100_000.0):
        state = state.observe(TOUCH, now_s)
        assert not state.pauses(now_s)
        assert state.until_s is None


@pytest.mark.parametrize("again", [Touch(7, 1_001, "10m"), Touch(8, 1_000, "10m"), Touch(7, 1_000, "20m")])
def test_a_new_touch_pauses_anew(again: Touch) -> None:
    state = PauseState().observe(TOUCH, 100.0).observe(TOUCH, 800.0)
    assert state.observe(again, 900.0).pauses(901.0)


def test_a_new_touch_during_a_pause_counts_from_then() -> None:
    state = PauseState().observe(TOUCH, 100.0).observe(Touch(7, 2_000, "1m"), 200.0)
    assert state.until_s == 260.0


def test_removing_the_file_ends_the_pause_at_once() -> None:
    state = PauseState().observe(TOUCH, 100.0).observe(None, 101.0)
    assert not state.pauses(101.0)
    assert state.note == ""


def test_a_file_out_of_sight_for_a_moment_does_not_pause_twice() -> None:
    state = PauseState().observe(TOUCH, 100.0).observe(None, 101.0).observe(TOUCH, 102.0)
    assert not state.pauses(102.0)


def test_the_note_lasts_with_the_pause() -> None:
    state = PauseState().observe(Touch(1, 1, "soon"), 0.0).observe(Touch(1, 1, "soon"), 5.0)
    assert "is not a duration" in state.note


def carry_over(state: PauseState, gap_s: float, jump_s: float = 0.0) -> PauseState:
    """To the next daemon, ``gap_s`` later, with the time of day moved by ``jump_s`` on top."""
    return PauseState.from_json(state.to_json(now_s=200.0, clock_s=1e9), 5.0, 1e9 + gap_s + jump_s)


def test_the_next_daemon_continues_a_pause() -> None:
    state = carry_over(PauseState().observe(TOUCH, 100.0), gap_s=60.0)
    assert state.until_s == 5.0 + 500.0 - 60.0
    assert state.observe(TOUCH, 6.0) == state


def test_the_next_daemon_knows_a_touch_that_is_over() -> None:
    state = carry_over(PauseState().observe(TOUCH, 100.0), gap_s=10_000.0)
    assert not state.observe(TOUCH, 5.0).pauses(5.0)
    assert carry_over(PauseState(), gap_s=1.0) == PauseState()


@pytest.mark.parametrize(("jump_s", "left_s"), [(-86_400.0, 500.0), (86_400.0, 0.0), (100.0, 340.0)])
def test_a_clock_that_jumps_prolongs_nothing(jump_s: float, left_s: float) -> None:
    state = carry_over(PauseState().observe(TOUCH, 100.0), gap_s=60.0, jump_s=jump_s)
    assert (state.until_s or 5.0) - 5.0 == pytest.approx(left_s)


@pytest.mark.parametrize("fields", ["", "[]", "{}", '{"touch": {"ino": 1}}', "null"])
def test_a_record_that_is_none_is_refused(fields: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PauseState.from_json(fields, 0.0, 0.0)


def test_a_record_cannot_pause_for_ever() -> None:
    record = json.loads(PauseState().observe(TOUCH, 0.0).to_json(0.0, 0.0))
    state = PauseState.from_json(json.dumps({**record, "left_s": 1e9, "ends_at": 1e9}), 0.0, 0.0)
    assert state.until_s == 4 * 3600

"""What is said of each way in which an attempt ends. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from nodewatch.outcomes import FENCED, Next, Setback, decide, judge, kill_text
from nodewatch.process import ExitRecord
from nodewatch.timekeeping import explain_time
from spoold.losses import LossCause
from spoold.records import EndedBy, Outcome

GIB = 1 << 30
GONE = Setback("gone", LossCause.LOST)


def ended(exit_code: int | None = None, signal: int | None = None, **changes: Any) -> ExitRecord:
    peak = changes.pop("peak_memory_bytes", 0)
    told = changes.pop("kill_reason", None)
    return ExitRecord(
        exit_code, signal, 1.0, 2.0, 1.0, 0.0, 0.0, peak, 0, told, changes.pop("start_error", None), **changes
    )


OVER = {"over_memory": True, "peak_memory_bytes": int(2.1 * GIB), "memory_limit_bytes": 2 * GIB}
TIME = explain_time(7200.0, 0.0)


@pytest.mark.parametrize(
    ("record", "outcome", "by", "reason"),
    [
        (ended(0), Outcome.DONE, EndedBy.EXIT, ""),
        (ended(3), Outcome.FAILED, EndedBy.EXIT, "exit code 3"),
        (ended(signal=11), Outcome.FAILED, EndedBy.SIGNAL, "killed by signal 11 (SIGSEGV)"),
        (
            ended(start_error="x: gone"),
            Outcome.FAILED,
            EndedBy.NOT_STARTED,
            "it could not be started: x: gone",
        ),
        (
            ended(signal=9, **OVER),
            Outcome.FAILED,
            EndedBy.OUT_OF_MEMORY,
            "out of memory: used 2.1 GiB of 2 GiB; ask for more with resources: {memory: 4G}",
        ),
        (
            ended(signal=9, oom_kills=1, peak_memory_bytes=300 << 20),
            Outcome.FAILED,
            EndedBy.OUT_OF_MEMORY,
            "out of memory: its node had none left when it used 300 MiB; say what it needs with resources: {memory: 300M}",
        ),
        (ended(137), Outcome.FAILED, EndedBy.EXIT, "exit code 137, as after signal 9 (SIGKILL)"),
        (ended(255), Outcome.FAILED, EndedBy.EXIT, "exit code 255"),
        (
            ended(137, oom_kills=1, peak_memory_bytes=300 << 20),
            Outcome.FAILED,
            EndedBy.OUT_OF_MEMORY,
            "out of memory: its node had none left when it used 300 MiB; say what it needs with resources: {memory: 300M}",
        ),
        (ended(0, oom_kills=1), Outcome.DONE, EndedBy.EXIT, ""),
        (ended(1, oom_kills=1), Outcome.FAILED, EndedBy.EXIT, "exit code 1"),
        (
            ended(signal=15, kill_reason=TIME),
            Outcome.FAILED,
            EndedBy.TIME_LIMIT,
            "time limit: it ran for longer than 2h; ask for more with resources: {time: 4h}",
        ),
        (ended(0, kill_reason=TIME), Outcome.FAILED, EndedBy.TIME_LIMIT, TIME),
        (
            ended(signal=15, kill_reason=kill_text("enough")),
            Outcome.CANCELLED,
            EndedBy.KILLED,
            "cancelled: enough",
        ),
        (ended(signal=15, kill_reason=FENCED), Outcome.FAILED, EndedBy.LOST, FENCED),
    ],
)
def test_an_ending_has_a_name(record: ExitRecord, outcome: Outcome, by: EndedBy, reason: str) -> None:
    ending = judge(record, None)
    assert (ending.outcome, ending.by, ending.reason) == (outcome, by, reason)


def test_what_its_node_lost_is_lost() -> None:
    assert judge(ended(start_error="gone"), GONE).by is EndedBy.LOST


@pytest.mark.parametrize("record", [ended(signal=9, **OVER), ended(signal=15, kill_reason=TIME), ended(3)])
def test_retries_are_for_limits_as_for_errors(record: ExitRecord) -> None:
    assert decide(judge(record, None), errors=0, retries=1) is Next.RETRY
    assert decide(judge(record, None), errors=1, retries=1) is Next.PUBLISH


def test_the_pause_is_told_of() -> None:
    assert explain_time(90.0, 61.2).startswith(
        "time limit: it ran for longer than 1m30s, 61 s of pause left out;"
    )

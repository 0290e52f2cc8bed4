"""What `distribute notify` says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from distribute_cli.words import count, say_duration, say_time
from spoold.notices.channels import Outcome, Verdict
from spoold.notices.records import Box, Notice


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A batch that has ended, and somebody who wasn't told. Times in Unix seconds."""

    state: Box
    namespace: str
    batch: str
    to: str | None
    ended_at: float
    tries: int
    next_at: float | None
    trouble: str


@dataclass(frozen=True, slots=True)
class NoticesReport:
    """Those that wait, and those that were given up, the newest first."""

    spool: str
    notices: tuple[NoticeLine, ...]


@dataclass(frozen=True, slots=True)
class TriedChannel:
    """How it went by one way; ``room`` is a Matrix room's id, ``made`` tells whether it is new."""

    channel: str
    verdict: Verdict
    why: str
    room: str
    made: bool


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What came of a test message."""

    to: str
    settings: str
    channels: tuple[TriedChannel, ...]

    @property
    def failed(self) -> tuple[TriedChannel, ...]:
        return tuple(one for one in self.channels if one.verdict is not Verdict.TOLD)


def report_notices(spool: str, waiting: Iterable[Notice], failed: Iterable[Notice]) -> NoticesReport:
    """Notices that only a command would be told of are left out while nothing went wrong with them."""
    boxes = ((Box.WAITING, waiting), (Box.FAILED, failed))
    told = [(box, one) for box, notices in boxes for one in notices if one.matrix or one.trouble]
    lines = sorted((_report(box, one) for box, one in told), key=lambda line: -line.ended_at)
    return NoticesReport(spool, tuple(lines))


def _report(box: Box, one: Notice) -> NoticeLine:
    tried = one.tries, one.next_at or None, one.trouble
    return NoticeLine(box, one.namespace, one.batch, one.matrix, one.ended_at, *tried)


def describe_notice(line: NoticeLine, now: float) -> list[str]:
    """A line for people, and the trouble if there was some."""
    head, whom = f"{line.namespace}/{line.batch} ended {say_time(line.ended_at, now)}", line.to or "a command"
    if line.state is Box.FAILED:
        return [f"{head}; telling {whom} was given up", line.trouble]
    tries = f" after {count(line.tries, 'try', 'tries')}" if line.tries else ""
    again = f", in {say_duration(line.next_at - now)}" if line.next_at and line.next_at > now else ""
    return [f"{head}; {whom} is to be told{tries}{again}", *([line.trouble] if line.trouble else [])]


def summarise_notices(report: NoticesReport) -> str:
    """One line for people."""
    failed = sum(line.state is Box.FAILED for line in report.notices)
    waiting = len(report.notices) - failed
    if not report.notices:
        return "nobody waits to be told"
    return f"{count(waiting, 'notice')} waiting, {failed} given up"


def report_trial(name: str, outcome: Outcome) -> TriedChannel:
    return TriedChannel(name, outcome.verdict, outcome.why, outcome.room, outcome.made)


def describe_trial(tried: TriedChannel, to: str) -> str:
    """One line for people."""
    if tried.verdict is Verdict.REFUSED:
        return f"{tried.channel}: refused: {tried.why}"
    if tried.verdict is Verdict.LATER:
        return f"{tried.channel}: failed, a notice would be told later: {tried.why}"
    if not tried.room:
        return f"{tried.channel}: it ended with exit code 0"
    new = f", which is new: {to} is invited" if tried.made else ""
    return f"{tried.channel}: sent to {to} in the room {tried.room}{new}"

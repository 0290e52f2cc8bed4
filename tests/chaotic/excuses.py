"""When a node may have lost what it had: while it was down or cut off for about a lease, or lost a runner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaotic.history import Event, Kind

#: Before a trouble is written down, and after it is over, it takes effect for so long.
_SLACK_S = 1.0
#: A silence of so much of a lease may already cost a job: the last heartbeat was before it.
_LAPSE_SHARE = 0.7
#: What costs a node its jobs at once, however soon it is back.
_AT_ONCE = ("died", "requeued")


@dataclass(frozen=True, slots=True)
class _Trouble:
    since: float
    until: float
    at_once: bool


class Excuses:
    """The troubles of all nodes, read from the history."""

    def __init__(self, events: Iterable[Event], lease_s: float) -> None:
        self._shortest_s = _LAPSE_SHARE * lease_s
        self._troubles: dict[str, list[_Trouble]] = {}
        self._everywhere: list[_Trouble] = []
        begun: dict[str, Event] = {}
        for event in events:
            self._note(event, begun)
        for node, event in begun.items():
            self._add(node, event, float("inf"))

    def excuse(self, node: str, since: float, until: float) -> bool:
        """Whether an attempt that ran on ``node`` since then may have been lost before ``until`` (Unix seconds)."""
        return any(
            trouble.since - _SLACK_S <= until and trouble.until + _SLACK_S >= since
            for trouble in (*self._troubles.get(node, ()), *self._everywhere)
            if trouble.at_once or trouble.until - trouble.since >= self._shortest_s
        )

    def _note(self, event: Event, begun: dict[str, Event]) -> None:
        match event.kind:
            case Kind.DOWN | Kind.FROZEN:
                earlier = begun.get(event.subject)
                if earlier is None or event.detail in _AT_ONCE:
                    begun[event.subject] = Event(
                        earlier.at if earlier else event.at, event.kind, event.subject, event.detail
                    )
            case Kind.UP:
                if event.subject in begun:
                    self._add(event.subject, begun.pop(event.subject), event.at)
            case Kind.RUNNER_KILLED:
                self._troubles.setdefault(event.subject, []).append(
                    _Trouble(event.at, event.at, at_once=True)
                )
            case Kind.STALLED:
                self._everywhere.append(_Trouble(event.at - 2 * self._shortest_s, event.at, at_once=True))

    def _add(self, node: str, event: Event, until: float) -> None:
        trouble = _Trouble(event.at, until, at_once=event.detail in _AT_ONCE)
        self._troubles.setdefault(node, []).append(trouble)

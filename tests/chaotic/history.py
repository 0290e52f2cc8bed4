"""The history of a campaign: one JSON object a line, in the order in which it happened."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path


class Kind(Enum):
    """What happened to the subject: a batch, a ticket or a daemon."""

    SUBMITTED = "submitted"
    COMMANDED = "commanded"
    ANSWERED = "answered"
    SEEN = "seen"
    DOWN = "down"
    FROZEN = "frozen"
    UP = "up"
    ENDED = "ended by itself"
    RUNNER_KILLED = "runner killed"
    PAUSED = "paused"
    STALLED = "stalled"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Event:
    """``at`` in Unix seconds."""

    at: float
    kind: Kind
    subject: str
    detail: str = ""

    @property
    def line(self) -> str:
        """How it stands in the history."""
        return json.dumps({**asdict(self), "kind": self.kind.value})


class History:
    """A file that grows, and what was written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[Event] = []
        self._file = path.open("w", buffering=1)

    def add(self, kind: Kind, subject: str, detail: str = "") -> None:
        event = Event(time.time(), kind, subject, detail)
        self.events.append(event)
        self._file.write(f"{event.line}\n")

    def of(self, *kinds: Kind) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    def close(self) -> None:
        self._file.close()

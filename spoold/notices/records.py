"""A notice: that a batch has ended, for whom, and what was tried so far. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from distribute_compute_config.names import NAME_PATTERN
from spoold.records import BatchHeader
from spoold.tickets import State, Ticket

#: In ``rescan_s``. Who closes a batch looks at the outbox at once; others hear of it within this time.
LOOK_ROUNDS = 20
#: In seconds. A home server may be away over a long weekend.
EXPIRY_S = 7 * 24 * 3600.0
_LONGEST_REST_S = 3600.0
_NAME = re.compile(rf"{NAME_PATTERN}~{NAME_PATTERN}~[0-9a-f]{{32}}", re.ASCII)


class Box(Enum):
    """Where a notice lies is its state; the value is the folder's name."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Notice:
    """That a batch has ended. Times in Unix seconds.

    ``id`` tells one end of a batch from another: it may be retried and end again. ``attempts`` is the sum of
    the jobs' attempts at that end, which grows with each retry. ``matrix`` is whom the job file names.
    ``tries``, ``next_at`` and ``trouble`` tell what was tried; ``told`` are the channels that are done with,
    and ``refusals`` why some of them never will tell it.
    """

    id: str
    namespace: str
    batch: str
    batch_id: str
    attempts: int
    matrix: str | None
    ended_at: float
    tries: int = 0
    next_at: float = 0.0
    trouble: str = ""
    told: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.batch}"

    @property
    def name(self) -> str:
        """The name of its file: no two notices have the same."""
        return f"{self.namespace}~{self.batch}~{self.id}"

    @property
    def expires_at(self) -> float:
        return self.ended_at + EXPIRY_S


def make_notice(header: BatchHeader, latest: Mapping[str, tuple[State, Ticket]], now: float) -> Notice:
    """The notice for a batch whose jobs have all ended as ``latest`` says.

    Whoever makes it from the same tickets makes the same one, but for the time.
    """
    attempts = count_attempts(latest)
    # A batch that was removed and submitted anew has another id.
    digest = hashlib.sha256(f"{header.key}\0{header.id}\0{attempts}".encode()).hexdigest()
    return Notice(digest[:32], header.namespace, header.batch, header.id, attempts, header.matrix, now)


def count_attempts(latest: Mapping[str, tuple[State, Ticket]]) -> int:
    """The sum of the jobs' attempts."""
    return sum(ticket.attempt for _, ticket in latest.values())


def is_notice_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def rest_s(first_s: float, failures: int, chance: float) -> float:
    """How long to wait after so many failures in a row, seconds; ``chance`` is a random number in 0 … 1."""
    rest = min(first_s * 2.0 ** min(failures - 1, 20), _LONGEST_REST_S)
    return rest * (0.75 + chance / 2)


def is_due(notice: Notice, now: float) -> bool:
    """Whether it is time to try it; a clock that was set back mustn't delay it for years."""
    return not now < notice.next_at < now + 2 * _LONGEST_REST_S

"""What a check of a spool can say, and how it may be repaired. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from spoold.layout import BatchFolder
from spoold.tickets import State, Ticket


class Severity(Enum):
    """``ERROR``: it isn't legal. ``NOTE``: it is, as something that was interrupted and is gone on with."""

    ERROR = "error"
    NOTE = "note"


class Kind(Enum):
    """What was found. The values are stable: programs read them."""

    ADMISSION_LEFT = "admission-left"
    ARCHIVE_ALONE = "archive-alone"
    ARCHIVE_MISSING = "archive-missing"
    DROP_LEFT = "drop-left"
    FINISHED_WITH_WORK = "finished-with-work"
    FOLDER_MISSING = "folder-missing"
    HOLDER = "holder"
    LOST_TICKET = "lost-ticket"
    MODE = "mode"
    NODE_MISSING = "node-missing"
    NOTICE_FAILED = "notice-failed"
    OBJECT_DAMAGED = "object-damaged"
    OBJECT_MISSING = "object-missing"
    OBJECTS_UNUSED = "objects-unused"
    OWNER = "owner"
    PUBLISHING = "publishing"
    RECORD_MISSING = "record-missing"
    RECORD_OTHER = "record-other"
    REJECTED_WITHOUT_REASON = "rejected-without-reason"
    RESULT_AHEAD = "result-ahead"
    RESULT_MISSING = "result-missing"
    RESULT_OTHER = "result-other"
    SAVE_LEFT = "save-left"
    STAGING_LEFT = "staging-left"
    TMP_LEFT = "tmp-left"
    TWO_PLACES = "two-places"
    TWO_TICKETS = "two-tickets"
    UNKNOWN = "unknown"
    UNKNOWN_JOB = "unknown-job"
    UNREADABLE = "unreadable"
    WRONG_TYPE = "wrong-type"


@dataclass(frozen=True, slots=True)
class FinishTicket:
    """*Appear* and *finish*: anybody may do the rest for what was published, any number of times."""

    namespace: str
    batch: str
    folder: BatchFolder
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class MoveBatch:
    """*Open* an admitted batch, or *reopen* a finished one that has work."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class SetMode:
    """Give something that the service user owns the mode that it was made with."""

    path: Path
    mode: int


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder of a batch or of the spool that must be there."""

    path: Path
    mode: int


@dataclass(frozen=True, slots=True)
class SweepStaging:
    """The steward's own sweep."""


@dataclass(frozen=True, slots=True)
class SweepSaves:
    """The steward's own sweep."""


@dataclass(frozen=True, slots=True)
class SweepPrivate:
    """The steward's own sweep."""


@dataclass(frozen=True, slots=True)
class PutTicket:
    """Give a job that lost its ticket a new one, if the loss is proved once more."""

    namespace: str
    batch: str
    folder: BatchFolder
    state: State
    ticket: Ticket


Repair = (
    FinishTicket | MoveBatch | SetMode | MakeFolder | SweepStaging | SweepSaves | SweepPrivate | PutTicket
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that isn't as it should be, or not yet.

    ``what`` says it in a sentence without ``path``. ``job`` is set where a path alone doesn't tell it from
    another finding. ``next`` says what to do by hand, and is empty where ``repair`` mends it.
    """

    severity: Severity
    kind: Kind
    path: Path
    what: str
    next: str = ""
    repair: Repair | None = None
    job: str = ""

    @property
    def key(self) -> tuple[Kind, Path, str]:
        """The same in two looks if both saw the same thing."""
        return self.kind, self.path, self.job


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then by path."""
    return sorted(
        findings, key=lambda f: (f.severity is not Severity.ERROR, str(f.path), f.kind.value, f.job)
    )


def shell(*words: str | Path) -> str:
    """A command line that can be pasted into a shell, whatever is in a file's name."""
    return " ".join(shlex.quote(str(word)) for word in words)


def error(
    kind: Kind, path: Path, what: str, next: str = "", repair: Repair | None = None, job: str = ""
) -> Finding:
    """A finding of that severity; likewise ``note``."""
    return Finding(Severity.ERROR, kind, path, what, next, repair, job)


def note(
    kind: Kind, path: Path, what: str, next: str = "", repair: Repair | None = None, job: str = ""
) -> Finding:
    return Finding(Severity.NOTE, kind, path, what, next, repair, job)

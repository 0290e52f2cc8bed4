"""What `distribute pull` did. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from distribute_cli.words import count, join, say_size


class Action(Enum):
    """What became of one file."""

    COPIED = "copied"
    WANTED = "wanted"
    PRESENT = "present"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file of the batch; ``path`` as filters see it, ``error`` if it failed."""

    path: str
    size_bytes: int
    action: Action
    error: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A job whose newest attempt has no result in the archive, and its state."""

    job: str
    state: str


@dataclass(frozen=True, slots=True)
class PullReport:
    """``folder`` is where the files are; with ``dry``, nothing was written.

    ``set_aside`` names the folders that results of earlier attempts, pulled before, were moved to.
    """

    namespace: str
    batch: str
    folder: str
    dry: bool
    jobs: int
    files: tuple[PulledFile, ...]
    missing: tuple[Missing, ...]
    set_aside: tuple[str, ...]
    errors: tuple[str, ...]

    def having(self, action: Action) -> list[PulledFile]:
        return [file for file in self.files if file.action is action]

    @property
    def failures(self) -> list[str]:
        """All that went wrong."""
        return [*self.errors, *(file.error for file in self.having(Action.FAILED))]


def summarise(report: PullReport) -> str:
    """One line for people."""
    if report.jobs and not report.files and not report.errors:
        return f"nothing in {report.namespace}/{report.batch} matches these filters: nothing was pulled"
    action = Action.WANTED if report.dry else Action.COPIED
    moved, present = report.having(action), report.having(Action.PRESENT)
    verb = "would pull" if report.dry else "pulled"
    size = say_size(sum(file.size_bytes for file in moved))
    there = f"; {count(len(present), 'is', 'are')} there already" if present else ""
    return f"{verb} {count(len(moved), 'file')} ({size}) to {report.folder}{there}"


def say_missing(report: PullReport) -> Iterator[str]:
    """A line a state in which jobs without a result are."""
    key = f"{report.namespace}/{report.batch}"
    for state, number in sorted(Counter(one.state for one in report.missing).items()):
        jobs = [one.job for one in report.missing if one.state == state]
        have = count(number, "job has", "jobs have")
        yield f"{have} no result in {key} ({state}): {join(jobs)}"

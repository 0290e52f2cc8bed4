"""Where a campaign takes place: a spool, the machines around it, and a shell to submit from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spoold.spool import Settings, Spool
from spoold.tickets import State, Ticket
from tests.chaotic.hosts import Machine


@dataclass(frozen=True, slots=True)
class Sight:
    """A ticket as it was seen; ``batch`` is ``NAMESPACE/BATCH``."""

    batch: str
    finished: bool
    state: State
    ticket: Ticket


class Command(Protocol):
    """A shell command that goes on by itself."""

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""

    def kill(self) -> None:
        """End it, if it hasn't ended."""


class Site(Protocol):
    """A spool and machines. The steward's machine is the first one."""

    settings: Settings
    machines: list[Machine]
    #: A folder outside of the spool that all machines see.
    shared: Path
    #: The spool, as commands see it.
    root: Path
    #: Whether half a file may stay open for writing as long as one likes, without being read.
    patient: bool

    def start(self, script: str, log: Path) -> Command:
        """A shell command, its output in ``log``."""

    def look(self, known: Iterable[str]) -> list[Sight]:
        """The tickets of all batches; those of ``known`` finished ones may be left out."""

    def left(self) -> list[str]:
        """What has not ended: drops, and batches with work."""

    def end(self) -> None:
        """End all daemons and jobs."""

    def spool(self) -> Spool:
        """The spool as it is; when all has ended, without what a steward would sweep."""

    def logs(self) -> list[str]:
        """What all daemons said."""

"""Each command that the node executes, from its log, as one could type it."""

from __future__ import annotations

import shlex
from collections import defaultdict
from pathlib import Path

from nodewatch.commands import read_command
from spoold.tickets import Ticket


class CommandLog:
    """Reads what is new in ``log`` whenever it is asked."""

    def __init__(self, log: Path) -> None:
        self._log, self._offset = log, 0
        self._waiting: dict[str | None, list[str]] = defaultdict(list)

    def take(self, job: str | None) -> list[str]:
        """The command lines that were executed for ``job``, or to build, and that weren't taken yet."""
        self._read_new()
        return self._waiting.pop(job, [])

    def _read_new(self) -> None:
        with open(self._log, "rb") as opened:
            opened.seek(self._offset)
            data = opened.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if command := read_command(line):
                ticket = Ticket.parse(command.attempt.rpartition("/")[2])
                job = None if command.phase == "building" else ticket.job
                self._waiting[job].append(shlex.join(command.argv))

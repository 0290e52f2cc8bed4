"""Looks after what runs on this node from the start on, whether the spool answers or not."""

from __future__ import annotations

from pathlib import Path

from nodewatch.scratch import Scratch
from nodewatch.supervisor import Supervisor


class Guard:
    """Has the scratch folder to itself, and a supervisor of what earlier daemons left running there.

    Enter it before the spool is touched, which may hang: then a pause holds all the same.
    """

    def __init__(self, path: Path, min_free_bytes: int) -> None:
        self.scratch = Scratch(path, min_free_bytes)

    def __enter__(self) -> Guard:
        """Raises ScratchUnusable or ScratchInUse."""
        self.scratch.make()
        self._lock = self.scratch.lock()
        self.scratch.write_pid()
        self.supervisor = Supervisor(self.scratch)
        self.supervisor.adopt_earlier()
        self.supervisor.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.supervisor.close()
        self._lock.release()

"""Looks after what runs on this node from the start on, whether the spool answers or not."""

from __future__ import annotations

from collections.abc import Callable

from filelock import FileLock

from nodewatch.config import NodeConfig
from nodewatch.owner import Aside, OwnerWatch
from nodewatch.scratch import Scratch
from nodewatch.supervisor import Supervisor

#: Who asks whether a daemon lives takes its lock for an instant.
_PATIENCE_S = 0.5


class Guard:
    """Has the scratch folder to itself, watches over what earlier daemons left running there, and looks for
    the machine's owner.

    Enter it before the spool is touched, which may hang: then a pause holds all the same. ``on_aside`` is
    called whenever the owner or the schedule wants something else.
    """

    def __init__(self, config: NodeConfig) -> None:
        self.scratch = Scratch(config.scratch, config.min_free_bytes)
        self.on_aside: Callable[[], None] = lambda: None
        self._config = config
        self._door: FileLock | None = None

    def __enter__(self) -> Guard:
        """Raises ScratchUnusable or ScratchInUse."""
        self.scratch.make(self._config.spool)
        self._lock = self.scratch.lock(_PATIENCE_S)
        self.scratch.write_pid()
        self.supervisor = Supervisor(self.scratch, self._config.evict)
        self.supervisor.adopt_earlier()
        self.owner = OwnerWatch(self._config.aside, self.supervisor.spent_s, self._step_aside)
        self.owner.start()
        self.supervisor.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.owner.close()
        self.supervisor.close()
        self._lock.release()

    def lock_door(self) -> bool:
        """Until this process ends, nobody asks whether a daemon lives here; False if somebody does now."""
        # Kept here, as the scratch folder is let go of first: until that, the answer would be yes.
        self._door = self.scratch.lock_door()
        return self._door is not None

    def unlock_door(self) -> None:
        if self._door:
            self._door.release()

    def _step_aside(self, aside: Aside) -> None:
        self.supervisor.step_aside(aside)
        self.on_aside()

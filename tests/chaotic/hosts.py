"""A machine with a daemon that is killed, cut off, started again; the history says when it could not work."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from tests.chaotic.history import History, Kind


class Machine(Protocol):
    """Something with one daemon of a name. All return soon; what has no meaning there does nothing."""

    @property
    def name(self) -> str: ...

    def startable(self) -> bool:
        """Whether it can be started now: nothing that it needs is off."""

    def start(self) -> None:
        """Turn the machine on if it is off, end what is left of the last daemon, start a new one."""

    def ready(self) -> bool:
        """Whether the daemon works by now."""

    def ended(self) -> str | None:
        """How the daemon has ended, or None if it lives."""

    def kill(self) -> None:
        """SIGKILL, the daemon alone: its job goes on."""

    def terminate(self) -> None:
        """SIGTERM: the same."""

    def requeue(self) -> None:
        """Told to end and to give its jobs back."""

    def die(self, wipe: bool) -> None:
        """The machine loses its power, and ``wipe``: its disk too."""

    def cut_off(self) -> None:
        """The daemon hears and says nothing, while its job goes on."""

    def heal(self) -> None:
        """The end of that."""

    def kill_runner(self, chance: random.Random) -> str:
        """SIGKILL the runner of a job that goes on; says which, nothing if there is none."""

    def pause(self, chance: random.Random) -> str:
        """Touch one of its pause files; says which."""

    def resume(self, door: str) -> None:
        """Remove that pause file, if it is there."""

    def attempts(self) -> list[str]:
        """What stands on its disk of attempts, whether they run or not."""


class Condition(Enum):
    """What a host does now."""

    UP = "up"
    STARTING = "starting"
    CUT_OFF = "cut off"
    DOWN = "down"


@dataclass(eq=False)
class Host:
    """A machine in a campaign."""

    machine: Machine
    history: History

    def __post_init__(self) -> None:
        self.history.add(Kind.DOWN, self.name, "started for the first time")
        self._mend_at_s = 0.0
        self._start()

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def works(self) -> bool:
        """Whether it is worth any trouble."""
        return self.condition in (Condition.UP, Condition.STARTING)

    def go_on(self) -> None:
        """Note that it is up again, or that nobody ended it; mend what has lasted long enough."""
        if self.works and (how := self.machine.ended()) is not None:
            # As a service manager does.
            self.history.add(Kind.ENDED, self.name, how)
            self.down("ended", 0.0)
        if self.condition is Condition.STARTING and self.machine.ready():
            self.condition = Condition.UP
            self.history.add(Kind.UP, self.name)
        if not self.works and time.monotonic() >= self._mend_at_s:
            self.mend()

    def mend(self) -> None:
        """Whatever it does, it works again soon."""
        if self.condition is Condition.CUT_OFF:
            self.machine.heal()
            self.condition = Condition.STARTING
        elif self.condition is Condition.DOWN and self.machine.startable():
            self._start()

    def _start(self) -> None:
        self.machine.start()
        self.condition = Condition.STARTING

    def down(self, how: str, for_s: float) -> None:
        """Note that its daemon was ended."""
        self.condition = Condition.DOWN
        self._mend_at_s = time.monotonic() + for_s
        self.history.add(Kind.DOWN, self.name, how)

    def cut_off(self, for_s: float) -> None:
        self.machine.cut_off()
        self.condition = Condition.CUT_OFF
        self._mend_at_s = time.monotonic() + for_s
        self.history.add(Kind.FROZEN, self.name, f"{for_s:.1f} s")

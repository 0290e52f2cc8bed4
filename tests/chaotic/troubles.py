"""What befalls daemons, at random."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from nodewatch.process.errors import ProcessesRemain
from tests.chaotic.history import History, Kind
from tests.chaotic.hosts import Host


class Trouble(Enum):
    """One of them."""

    KILL = "SIGKILL, the daemon alone"
    TERMINATE = "SIGTERM"
    REQUEUE = "told to end and to give its jobs back"
    DIE = "SIGKILL, with its job, and down for up to two leases"
    CUT_OFF = "stopped for more than a lease"
    FREEZE = "stopped for less than a lease"
    RUNNER = "SIGKILL of a job's runner"
    PAUSE = "a pause file for a second or two"
    BLACKOUT = "SIGKILL of everything at once"


ALL_TROUBLES = {
    Trouble.KILL: 6,
    Trouble.TERMINATE: 4,
    Trouble.REQUEUE: 2,
    Trouble.DIE: 3,
    Trouble.CUT_OFF: 3,
    Trouble.FREEZE: 2,
    Trouble.RUNNER: 3,
    Trouble.PAUSE: 2,
    Trouble.BLACKOUT: 1,
}
#: What guests know: their machines are cut off by the network, and lose their power one at a time.
GUEST_TROUBLES = {
    trouble: weight
    for trouble, weight in ALL_TROUBLES.items()
    if trouble not in (Trouble.RUNNER, Trouble.BLACKOUT)
}


@dataclass(eq=False)
class Fate:
    """Strikes ``hosts`` with troubles of these ``weights``."""

    lease_s: float
    hosts: list[Host]
    weights: Mapping[Trouble, int]
    history: History
    chance: random.Random
    _pauses: list[tuple[float, Host, str]] = field(default_factory=list)

    def strike(self) -> None:
        """One trouble, for one host, if that works at all."""
        host = self.chance.choice(self.hosts)
        trouble = self.chance.choices(list(self.weights), list(self.weights.values()))[0]
        if not host.works:
            return
        match trouble:
            case Trouble.RUNNER:
                self._kill_runner()
            case Trouble.PAUSE:
                self._pause(host)
            case Trouble.BLACKOUT:
                for each in self.hosts:
                    self._die(each, self.chance.uniform(0.0, 1.0))
            case _:
                self._stop(host, trouble)

    def _stop(self, host: Host, trouble: Trouble) -> None:
        match trouble:
            case Trouble.KILL:
                host.machine.kill()
                host.down("killed", self.chance.uniform(0.0, 1.0))
            case Trouble.TERMINATE:
                host.machine.terminate()
                host.down("terminated", self.chance.uniform(0.5, 1.5))
            case Trouble.REQUEUE:
                host.machine.requeue()
                host.down("requeued", self.chance.uniform(1.0, 3.0))
            case Trouble.DIE:
                self._die(host, self.chance.uniform(0.0, 2.0) * self.lease_s)
            case Trouble.CUT_OFF:
                host.cut_off(self.chance.uniform(1.5, 2.5) * self.lease_s)
            case Trouble.FREEZE:
                host.cut_off(self.chance.uniform(0.1, 0.5) * self.lease_s)

    def _die(self, host: Host, for_s: float) -> None:
        if not host.works:
            return
        try:
            host.machine.die(wipe=self.chance.random() < 0.3)
        except ProcessesRemain as error:
            self.history.add(Kind.STALLED, "machine", str(error))
        host.down("died", for_s)

    def _kill_runner(self) -> None:
        for host in self.hosts:
            if killed := host.machine.kill_runner(self.chance):
                self.history.add(Kind.RUNNER_KILLED, host.name, killed)
                return

    def _pause(self, host: Host) -> None:
        door = host.machine.pause(self.chance)
        self._pauses.append((time.monotonic() + self.chance.uniform(0.5, 2.0), host, door))
        self.history.add(Kind.PAUSED, host.name, door)

    def go_on(self) -> None:
        """End the pauses that have lasted long enough; hosts mend themselves."""
        for pause in list(self._pauses):
            due_s, host, door = pause
            if time.monotonic() >= due_s:
                host.machine.resume(door)
                self._pauses.remove(pause)

    def mend(self) -> None:
        """Mend everything now."""
        for host in self.hosts:
            host.mend()
        for _, host, door in self._pauses:
            host.machine.resume(door)
        self._pauses.clear()

"""A site on this machine's own disk: each node is a process."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nodewatch.process import adopt, read_exit
from nodewatch.stopping import REQUEUE_SIGNAL
from spoold import sweeping
from spoold.snapshot import list_batches, read_tickets
from spoold.spool import Settings, Spool
from tests.chaotic.hosts import Machine
from tests.chaotic.sites import Command, Sight
from tests.lab import Daemon, Lab, program

STEWARD = "spoold"


@dataclass(eq=False)
class LocalMachine:
    """A daemon, its scratch folder and its door in the spool."""

    name: str
    lab: Lab
    make: Callable[[], Daemon]
    daemon: Daemon = field(init=False)

    def startable(self) -> bool:
        return True

    def start(self) -> None:
        if hasattr(self, "daemon") and self.daemon.process.poll() is None:
            self.daemon.kill()
        self.daemon = self.make()

    def ready(self) -> bool:
        return self.name == STEWARD or self.lab.reports(self.daemon)

    def ended(self) -> str | None:
        code = self.daemon.process.poll()
        return None if code is None else f"exit code {code}: {self.daemon.said.strip().splitlines()[-1:]}"

    def kill(self) -> None:
        self.daemon.kill()

    def terminate(self) -> None:
        self.daemon.process.terminate()

    def requeue(self) -> None:
        self.daemon.process.send_signal(REQUEUE_SIGNAL)

    def die(self, wipe: bool) -> None:
        self.daemon.kill_with_jobs()
        if wipe:
            shutil.rmtree(self.daemon.scratch, ignore_errors=True)

    def cut_off(self) -> None:
        self.daemon.freeze()

    def heal(self) -> None:
        self.daemon.thaw()

    def kill_runner(self, chance: random.Random) -> str:
        running = [path for path in self.daemon.attempts() if read_exit(path) is None]
        run = adopt(chance.choice(running)) if running else None
        if run is None:
            return ""
        with run:
            os.kill(run.pid, signal.SIGKILL)
        return str(run.run_dir)

    def pause(self, chance: random.Random) -> str:
        door = chance.choice((self.daemon.scratch / "pause", self.lab.spool.layout.node(self.name).pause))
        if door.parent.is_dir():
            door.touch()
        return str(door)

    def resume(self, door: str) -> None:
        Path(door).unlink(missing_ok=True)

    def attempts(self) -> list[str]:
        return [str(path) for path in self.daemon.attempts()]


class _LocalCommand:
    """A shell and what it started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class LocalSite:
    """``mutation`` is given to every daemon. With ``lone_steward`` only ``spoold`` does the steward's work."""

    patient = True

    def __init__(
        self, folder: Path, settings: Settings, nodes: int, mutation: str = "", lone_steward: bool = False
    ) -> None:
        self.settings = settings
        self._lab = Lab(folder / "lab", settings)
        self.root = self._lab.spool.root
        self.shared = folder / "work"
        self.shared.mkdir()
        mutant = str(Path(__file__).with_name("mutant.py"))
        self._before = (sys.executable, mutant, mutation) if mutation else ()
        self._only = ("--no-steward",) if lone_steward else ()
        steward = LocalMachine(STEWARD, self._lab, lambda: self._lab.steward(self._before))
        self.machines: list[Machine] = [steward, *(self._node(f"n{number}") for number in range(nodes))]

    def _node(self, name: str) -> LocalMachine:
        lab = self._lab
        return LocalMachine(name, lab, lambda: lab.node(name, *self._only, before=self._before, ready=False))

    def start(self, script: str, log: Path) -> Command:
        path = f"{Path(program('distribute')).parent}:{os.environ['PATH']}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PATH": path},
                start_new_session=True,
            )
        return _LocalCommand(process)

    def look(self, known: Iterable[str]) -> list[Sight]:
        refs = list_batches(self._lab.spool)
        refs += [ref for ref in list_batches(self._lab.spool, finished=True) if ref.key not in set(known)]
        return [
            Sight(ref.key, ref.finished, state, ticket)
            for ref in refs
            for state, tickets in read_tickets(self._lab.spool, ref.folder).by_state.items()
            for ticket in tickets
        ]

    def left(self) -> list[str]:
        spool = self._lab.spool
        drops = [f"incoming/{name} lies there" for name in spool.ops.names(spool.layout.incoming)]
        return drops + [f"{ref.key} has not ended" for ref in list_batches(spool)]

    def end(self) -> None:
        self._lab.end_all()
        sweeping.sweep(self._lab.spool)

    def spool(self) -> Spool:
        return self._lab.spool

    def logs(self) -> list[str]:
        return [daemon.said for daemon in self._lab.daemons]

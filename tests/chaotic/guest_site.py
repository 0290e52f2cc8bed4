"""A site of guests, real NFS clients and a real server: machines lose their power, and are cut off by the network."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spoold import sweeping
from spoold.spool import Settings, Spool, open_spool
from spoold.tickets import State, Ticket
from tests.chaotic.hosts import Machine
from tests.chaotic.sites import Command, Sight
from tests.nfs.bed import Bed, BedError, BedSettings, Client, Guest, why_impossible
from tests.nfs.bed.packages import Unavailable, prepare
from tests.nfs.cluster import Cluster

_COMMAND_S = 240.0
_KIT = Path(__file__).parents[2] / ".nfs-bed"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class NoGuests(Exception):
    """This machine can't have guests; says why."""


@dataclass(eq=False)
class GuestMachine:
    """The server with ``spoold``, or a client with ``nodewatch``."""

    guest: Guest
    cluster: Cluster
    #: Whether the server, if this is it, can't be reached.
    away: bool = False
    server: GuestMachine | None = None

    @property
    def name(self) -> str:
        return self.guest.name

    def startable(self) -> bool:
        return self.server is None or (self.server.guest.alive and not self.server.away)

    def start(self) -> None:
        self.heal()
        if not self.guest.alive:
            self._turn_on()
        self.cluster.signal(self.guest, "KILL")
        if isinstance(self.guest, Client):
            self.cluster.start_node(self.guest)
        else:
            self.cluster.start_steward()

    def _turn_on(self) -> None:
        if isinstance(self.guest, Client):
            self.guest.power_on()
        else:
            self.guest.boot()
            self.guest.wait_ready()

    def ready(self) -> bool:
        if not isinstance(self.guest, Client):
            return True
        return self.startable() and self.cluster.is_ready(self.guest)

    def ended(self) -> str | None:
        if self.cluster.runs(self.guest):
            return None
        return str(self.cluster.said(self.guest).strip().splitlines()[-1:])

    def kill(self) -> None:
        self.cluster.signal(self.guest, "KILL")

    def terminate(self) -> None:
        self.cluster.signal(self.guest, "TERM")

    def requeue(self) -> None:
        self.cluster.signal(self.guest, "USR1")

    def die(self, wipe: bool) -> None:
        # A client's own disk is in memory: it is wiped every time.
        self.guest.power_off()

    def cut_off(self) -> None:
        self.away = True
        self.guest.cut_off()

    def heal(self) -> None:
        self.away = False
        self.guest.heal()

    def kill_runner(self, chance: random.Random) -> str:
        return ""

    def pause(self, chance: random.Random) -> str:
        door = str(self.cluster.served / "nodes" / self.name / "pause")
        self._on_server("touch", door)
        return door

    def resume(self, door: str) -> None:
        self._on_server("rm", "-f", door)

    def _on_server(self, *argv: str) -> None:
        server = self.cluster.bed.server
        if server.alive:
            server.run(*argv, check=False)

    def attempts(self) -> list[str]:
        if not isinstance(self.guest, Client):
            return []
        return self.guest.run("sh", "-c", f"ls -d {self.cluster.scratch}/runs/*/*/*", check=False).out.split()


class _GuestCommand:
    """A thread that waits for a command in a guest, which may lose its power meanwhile."""

    def __init__(self, future: Future[int]) -> None:
        self._future = future

    def poll(self) -> int | None:
        if not self._future.done():
            return None
        return -1 if self._future.exception() else self._future.result()

    def kill(self) -> None:
        self._future.cancel()


class GuestSite:
    """On a running bed, as many nodes as it has clients. People submit on the server, and on all clients."""

    patient = False

    def __init__(self, bed: Bed, settings: Settings, chance: random.Random) -> None:
        self.settings = settings
        self._bed, self._chance = bed, chance
        self._cluster = Cluster(bed, "chaos", settings)
        self.root = self._cluster.served
        self.shared = self._cluster.folder / "work"
        self.shared.mkdir()
        server = GuestMachine(bed.server, self._cluster)
        clients = [GuestMachine(client, self._cluster, server=server) for client in bed.clients]
        self.machines: list[Machine] = [server, *clients]
        self._pool = ThreadPoolExecutor(8)
        self._copy: Spool | None = None

    def start(self, script: str, log: Path) -> Command:
        working = [client for client in self._bed.clients if client.alive]
        guest = self._chance.choice([*working, self._bed.server])
        if isinstance(guest, Client):
            script = script.replace(str(self._cluster.served), str(self._cluster.mounted))
        return _GuestCommand(self._pool.submit(self._run, guest, script, log))

    def _run(self, guest: Guest, script: str, log: Path) -> int:
        log.touch()
        env = {"PATH": f"{self._cluster.programs}:{_PATH}", "HOME": "/root", "LANG": "C.UTF-8"}
        output = guest.run("sh", "-c", script, env=env, within_s=_COMMAND_S, check=False)
        log.write_text(output.out + output.error)
        return output.exit_code

    def look(self, known: Iterable[str]) -> list[Sight]:
        finished = set(known)
        found = [sight for line in self._find("batches", "finished") if (sight := _read_sight(line))]
        return [sight for sight in found if not (sight.finished and sight.batch in finished)]

    def left(self) -> list[str]:
        if not self._bed.server.alive:
            return ["the server is off"]
        drops = [f"incoming/{name} lies there" for name in self._cluster.names("incoming")]
        return drops + sorted({f"{line.rsplit('/', 2)[0]} has not ended" for line in self._find("batches")})

    def _find(self, *folders: str) -> list[str]:
        """Tickets as ``FOLDER/NAMESPACE/BATCH/STATE/TICKET``, as the server has them."""
        if not self._bed.server.alive:
            return []
        script = f"cd {self._cluster.served} && find {' '.join(folders)} -mindepth 4 -maxdepth 4 -name '*~*'"
        try:
            return self._bed.server.run("sh", "-c", script, check=False).out.split()
        except BedError:
            return []

    def end(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._bed.mend()
        self._cluster.stop()
        self._copy = self._fetch()
        sweeping.sweep(self._copy)

    def _fetch(self) -> Spool:
        """A copy of the whole spool on this machine."""
        packed, copy = self._cluster.folder / "whole.tar", self._cluster.folder / "whole"
        self._bed.server.run("tar", "cf", packed, "-C", self._cluster.served, ".", within_s=240.0)
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        subprocess.run(("tar", "xf", packed, "-C", copy), check=True)
        return open_spool(copy)

    def spool(self) -> Spool:
        return self._copy or self._fetch()

    def logs(self) -> list[str]:
        return [path.read_text(errors="replace") for path in self._cluster.logs()]


def _read_sight(line: str) -> Sight | None:
    """Of a line that ``find`` printed; None if it isn't a ticket's."""
    try:
        folder, namespace, batch, state, ticket = line.split("/")
        return Sight(f"{namespace}/{batch}", folder == "finished", State(state), Ticket.parse(ticket))
    except ValueError:
        return None


@contextmanager
def guests(folder: Path, clients: int, version: str) -> Iterator[Bed]:
    """A bed whose clients mount with this version of NFS and default options. Raises NoGuests."""
    if why := why_impossible():
        raise NoGuests(why)
    try:
        kit = prepare(_KIT)
    except Unavailable as error:
        raise NoGuests(str(error)) from error
    folder.mkdir()
    with Bed(folder, kit, BedSettings(clients=clients)) as bed:
        for client in bed.clients:
            client.mount(f"vers={version}")
        yield bed

"""The bed: a server, clients, and the network between them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tests.nfs.bed.guest import Client, Guest, GuestPlan
from tests.nfs.bed.network import Network
from tests.nfs.bed.packages import Kit

#: The export as the server itself sees it, and where clients mount it.
SERVED, MOUNTED = Path("/srv/export"), Path("/mnt/spool")
_PROJECT = Path(__file__).parents[3]
_INSIDE = Path(__file__).with_name("inside")
_DISK_BYTES = 4 << 30
_SERVER_NUMBER, _FIRST_CLIENT_NUMBER = 1, 11
_PIDS_APART = 500


@dataclass(frozen=True, slots=True)
class BedSettings:
    """``grace_s``: for so long a server waits for its clients' locks after a boot, and keeps those of a silent one.

    Real servers take 90 s.
    """

    clients: int = 2
    memory_mib: int = 256
    grace_s: int = 10


class Bed:
    """A running bed below ``folder``, which all guests may write to, at the same path. Leaving it ends all guests."""

    def __init__(self, folder: Path, kit: Kit, settings: BedSettings = BedSettings()) -> None:
        self.folder, self._kit, self._settings = folder, kit, settings
        self.network = Network()
        self._memory_folder = _memory_folder((settings.clients + 1) * settings.memory_mib << 20)
        _make_disk(folder / "server.img")
        disk = (f"ubd0={folder / 'server.img'}", "bed.role=server")
        self.server = Guest(self._plan("server", _SERVER_NUMBER, disk), kit, self.network)
        self.clients = tuple(self._client(number) for number in range(settings.clients))

    def __enter__(self) -> Bed:
        try:
            self._boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        for guest in self.guests:
            guest.power_off()
        self.network.close()
        (self.folder / "server.img").unlink(missing_ok=True)

    @property
    def guests(self) -> tuple[Guest, ...]:
        return (self.server, *self.clients)

    def mend(self) -> None:
        """Turn on what is off and connect what is cut off."""
        if not self.server.alive:
            self.server.boot()
            self.server.wait_ready()
        for client in self.clients:
            client.heal()
            if not client.alive:
                client.power_on()

    def _boot(self) -> None:
        for guest in self.guests:
            guest.boot()
            # See rc.sh: neither the same pids nor the same clock ticks.
            Event().wait(0.07)
        for guest in self.guests:
            guest.wait_ready()

    def _client(self, number: int) -> Client:
        name, host_number = f"c{number + 1}", _FIRST_CLIENT_NUMBER + number
        plan = self._plan(name, host_number, ("bed.role=client",), number * _PIDS_APART)
        return Client(plan, self._kit, self.network, MOUNTED)

    def _plan(self, name: str, number: int, arguments: tuple[str, ...], skipped_pids: int = 0) -> GuestPlan:
        told = (*arguments, *_tell(self.folder, self._kit, name, self._settings))
        return GuestPlan(
            name, number, self._settings.memory_mib, self.folder, self._memory_folder, told, skipped_pids
        )


@contextmanager
def lone_guest(folder: Path, kit: Kit) -> Iterator[Guest]:
    """A guest that shares ``folder`` with this machine, and no server: for what needs another kernel."""
    settings, network = BedSettings(), Network()
    told = ("bed.role=client", *_tell(folder, kit, "c1", settings))
    memory_folder = _memory_folder(settings.memory_mib << 20)
    plan = GuestPlan("c1", _FIRST_CLIENT_NUMBER, settings.memory_mib, folder, memory_folder, told)
    guest = Guest(plan, kit, network)
    try:
        guest.boot()
        guest.wait_ready()
        yield guest
    finally:
        guest.power_off()
        network.close()


def _tell(folder: Path, kit: Kit, name: str, settings: BedSettings) -> tuple[str, ...]:
    """What ``inside/init.sh`` and ``rc.sh`` want to know."""
    state = folder / "state" / name
    state.mkdir(parents=True)
    return (
        f"bed.inside={_INSIDE}",
        f"bed.root={kit.root}",
        f"bed.state={state}",
        f"bed.python={os.path.realpath(sys.executable)}",
        # Read only but for our folder: what a guest does to the rest must not be seen outside.
        f"bed.shown={','.join(map(str, _shown()))}",
        f"bed.shared={folder}",
        f"bed.grace_s={settings.grace_s}",
    )


def _shown() -> list[Path]:
    """Folders that a guest must find although it has its own ``/tmp`` and ``/run``."""
    wanted = {_PROJECT, Path(sys.prefix), Path(sys.base_prefix)}
    return sorted(folder for folder in wanted if folder.parts[1] in ("tmp", "run", "dev", "mnt"))


def _memory_folder(bytes_needed: int) -> Path:
    """Guests' memory is a file; in RAM if there is enough of that (a container may have 64 MiB)."""
    shared_memory = Path("/dev/shm")
    if shared_memory.is_dir() and shutil.disk_usage(shared_memory).free > bytes_needed:
        return shared_memory
    return Path(tempfile.gettempdir())


def _make_disk(image: Path) -> None:
    with image.open("xb") as disk:
        disk.truncate(_DISK_BYTES)
    lazily = "lazy_itable_init=1,lazy_journal_init=1"
    subprocess.run(("mkfs.ext4", "-q", "-E", lazily, image), check=True, capture_output=True)

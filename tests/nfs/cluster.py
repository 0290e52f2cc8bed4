"""A spool on the bed's server, a steward there, and a node in each client: the real daemons."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from spoold.spool import Settings, Spool, init_spool, open_spool
from spoold.tickets import State, Ticket, parse_tickets
from tests.nfs.bed import MOUNTED, SERVED, Bed, BedError, Client, Guest
from tests.support import wait_until

#: Short, and still far from what a busy machine needs: a guest's system calls take ten times as long.
QUICK = Settings(heartbeat_s=1.0, lease_s=6.0, settle_s=0.5, rescan_s=0.5, retry_wait_s=0.5)
NAMESPACE = "nfs"
_START_S, _OUTAGE_S = 60.0, 120.0
_LOOK_EVERY_S = 0.3
_ENV = {"HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
_PROGRAMS = Path(sys.executable).parent

T = TypeVar("T")


class Cluster:
    """One spool, ``name``, and its daemons; ``folder`` is seen by this machine and by all guests."""

    def __init__(self, bed: Bed, name: str, settings: Settings = QUICK) -> None:
        self.bed, self.name, self.settings = bed, name, settings
        self.folder = bed.folder / name
        self.folder.mkdir()
        self.served, self.mounted = SERVED / name, MOUNTED / name
        self.scratch, self.programs = f"/var/scratch/{name}", _PROGRAMS
        self._pids: dict[str, int] = {}
        self._before: dict[str, str] = {}
        init_spool(self.folder / "new", settings)
        bed.server.run("cp", "-a", self.folder / "new", self.served)
        # `cp` flushes nothing, unlike what was copied: the server may lose its power soon.
        bed.server.run("sync")

    # Daemons

    def mend(self) -> None:
        """All guests work, with a steward on the server and a node in each client that has reported."""
        self.bed.mend()
        if not self.runs(self.bed.server):
            self.start_steward()
        idle = [client for client in self.bed.clients if not self.runs(client)]
        for client in idle:
            self.start_node(client)
        for client in idle:
            self.wait_ready(client)

    def runs(self, guest: Guest) -> bool:
        """Whether the daemon that was started in a guest is there."""
        pid = self._pids.get(guest.name)
        said = guest.run("cat", f"/proc/{pid}/cmdline", check=False).out if pid else ""
        return str(_PROGRAMS) in said

    def start_node(self, client: Client, *arguments: str) -> None:
        """Start ``nodewatch`` in a client, with the client's name."""
        self._before[client.name] = self._reported(client)
        client.run("mkdir", "-p", self.scratch)
        argv = (
            "--spool", str(self.mounted), "--name", client.name, "--scratch", self.scratch,
            "--cores", "1", "--min-free", "20M", *arguments,
        )  # fmt: skip
        self._start(client, "nodewatch", argv)

    def start_steward(self, guest: Guest | None = None) -> None:
        """Start ``spoold``, on the server if not told otherwise."""
        guest = guest or self.bed.server
        place = self.served if guest is self.bed.server else self.mounted
        self._start(guest, "spoold", ("--spool", str(place)))

    def _start(self, guest: Guest, program: str, argv: tuple[str, ...]) -> None:
        self._pids[guest.name] = guest.start(_PROGRAMS / program, *argv, log=self.log(guest), env=_ENV)

    def log(self, guest: Guest) -> Path:
        return self.folder / f"{guest.name}.log"

    def said(self, guest: Guest) -> str:
        return self.log(guest).read_text(errors="replace")

    def wait_ready(self, client: Client) -> None:
        """Until the node has reported since it was started."""
        self.wait(lambda: self.is_ready(client), _START_S, f"{client.name} is ready")

    def wait_refreshed(self, clients: Iterable[Client]) -> None:
        """Until the lease of each node was refreshed since now."""
        before = {client.name: self._lease_mark(client) for client in clients}
        for client in clients:
            self.wait(
                lambda client=client: self._lease_mark(client) != before[client.name],  # type: ignore[misc]
                _OUTAGE_S,
                f"{client.name} has its server back",
            )

    def _lease_mark(self, client: Client) -> str:
        return self.bed.server.run("stat", "-c", "%i %y", self.served / "nodes" / client.name / "lease").out

    def is_ready(self, client: Client) -> bool:
        return self._reported(client) != self._before[client.name]

    def signal(self, guest: Guest, name: str) -> None:
        """Send a signal to a guest's daemon, if there is one."""
        if self.runs(guest):
            guest.run("sh", "-c", f"kill -{name} {self._pids[guest.name]} || :")

    def _reported(self, client: Client) -> str:
        """What the node said last; every time is another one."""
        return self.bed.server.run(
            "cat", self.served / "nodes" / client.name / "running.json", check=False
        ).out

    def stop(self) -> None:
        """SIGTERM to all daemons, whose guests are alive, then SIGKILL."""
        for guest in self.bed.guests:
            pid = self._pids.pop(guest.name, None)
            if pid and guest.alive:
                script = (
                    'kill "$0"; for i in $(seq 50); do kill -0 "$0" || exit 0; sleep 0.1; done; kill -9 "$0"'
                )
                guest.run("sh", "-c", script, str(pid), check=False)

    # Batches

    def submit(self, client: Client, batch: str, commands: Mapping[str, str], file: str = "") -> None:
        """``cp`` a job file into the drop box, from a client; ``file`` is its name there."""
        source = self.write_job_file(batch, commands, file)
        client.run("cp", source, self.mounted / "incoming" / source.name, within_s=60.0)

    def write_job_file(self, batch: str, commands: Mapping[str, str], file: str = "") -> Path:
        """A job file that all guests see."""
        jobs = [{"name": job, "command": command} for job, command in commands.items()]
        content = {"meta": {"namespace": NAMESPACE, "batch_name": batch}, "command": {"jobs": jobs}}
        path = self.folder / "files" / batch / (file or f"{batch}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    # Looking, on the server: what it has is what counts, and no client's cache is touched

    def names(self, folder: str) -> list[str]:
        """What stands in a folder of the spool."""
        return self.bed.server.run("ls", "-A", self.served / folder, check=False).out.split()

    def tickets(self, batch: str) -> dict[State, list[Ticket]]:
        """All tickets of a batch that has work left."""
        found = self.bed.server.run(
            "find",
            self.served / "batches" / NAMESPACE / batch,
            "-mindepth",
            "2",
            "-printf",
            "%h/%f\n",
            check=False,
        )
        paths = [Path(line) for line in found.out.splitlines()]
        return {s: parse_tickets([p.name for p in paths if p.parent.name == s.value]) for s in State}

    def finished(self, batch: str) -> bool:
        return batch in self.names(f"finished/{NAMESPACE}")

    def wait_finished(self, batch: str, within_s: float = 90.0) -> None:
        self.wait(lambda: self.finished(batch), within_s, f"{batch} is finished")

    def wait_holds(self, client: Client, batch: str, within_s: float = 30.0) -> Ticket:
        """The ticket that the client holds of a batch, once it does."""

        def look() -> list[Ticket]:
            return [t for t in self.tickets(batch)[State.CLAIMED] if t.node == client.name]

        return self.wait(look, within_s, f"{client.name} has claimed a job of {batch}")[0]

    def wait(self, look: Callable[[], T], within_s: float, what: str) -> T:
        """``wait_until``; on a timeout the spool and what the daemons said are shown."""
        try:
            return wait_until(look, within_s, _LOOK_EVERY_S, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from error

    def describe(self) -> str:
        """The spool's tree and the ends of all logs."""
        try:
            tree = self.bed.server.run(
                "sh", "-c", 'cd "$0"; find . | grep -v ./store/ | head -300', self.served
            ).out
        except BedError as error:
            tree = f"{error}\n"
        waits = [
            f"--- what {guest.name} waits for\n{self._waits(guest)}"
            for guest in self.bed.guests
            if guest.alive
        ]
        logs = [f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}" for path in self.logs()]
        return tree + "\n".join(waits + logs)

    def _waits(self, guest: Guest) -> str:
        """Where in the guest's kernel the threads of its daemon are: on a server that is away, for instance."""
        script = "for t in /proc/$0/task/*; do cat $t/comm; head -4 $t/stack; done"
        try:
            return guest.run("sh", "-c", script, str(self._pids.get(guest.name, 1)), check=False).out
        except BedError as error:
            return str(error)

    def logs(self) -> Iterable[Path]:
        return sorted(self.folder.glob("*.log"))

    def fetch(self) -> Spool:
        """A copy of the spool as the server has it now, on this machine."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        # One large file passes the border between guest and host faster than a thousand small ones.
        packed = self.folder / "copy.tar"
        argv = ("tar", "cf", packed, "-C", self.served, "--exclude=./store/*", ".")
        said = self.bed.server.run(*argv, within_s=120.0, check=False)
        # 1: something changed meanwhile, as what living nodes report does; batches that have ended stand still.
        if said.exit_code not in (0, 1):
            raise BedError(f"the spool can't be packed: {said.error}")
        copy.mkdir()
        subprocess.run(("tar", "xf", packed, "-C", copy), check=True)
        return open_spool(copy)

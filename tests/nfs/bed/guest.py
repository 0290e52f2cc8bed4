"""One host of the bed: a whole Linux in a process, which can be killed like a machine that loses its power."""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.nfs.bed.network import COMMANDS, DATA, Network
from tests.nfs.bed.packages import Kit
from tests.support import wait_until

_AGENT_PORT = 7777
_BOOT_S = 90.0
_MOUNT_S = 120.0
_LOOK_EVERY_S = 0.5
_MOUNT = """\
mkdir -p "$0"
while grep -q " $0 nfs" /proc/mounts; do
    umount "$0" 2>/dev/null || umount -f "$0" 2>/dev/null || umount -l "$0"
done
exec mount.nfs "server:$1" "$0" -o "$2"
"""


class BedError(Exception):
    """A guest didn't do what was asked of it."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a command in a guest came to."""

    exit_code: int
    out: str
    error: str


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """What a guest boots with. ``arguments`` are told to its kernel; ``skipped_pids`` see ``inside/rc.sh``."""

    name: str
    host_number: int
    memory_mib: int
    folder: Path
    memory_folder: Path
    arguments: tuple[str, ...]
    skipped_pids: int = 0


class Guest:
    """A guest that is off until ``boot``."""

    def __init__(self, plan: GuestPlan, kit: Kit, network: Network) -> None:
        self._plan, self._kit, self._network = plan, kit, network
        self._process: subprocess.Popen[bytes] | None = None
        self.log = plan.folder / f"{plan.name}.log"

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # Power

    def boot(self) -> None:
        """Power on; returns at once. Only the thread that calls this keeps the guest alive: if it ends, so do we."""
        assert not self.alive, f"{self.name} runs already"
        sockets = self._plan.folder / "uml"
        shutil.rmtree(sockets / self.name, ignore_errors=True)
        argv = (
            *self._network.entrance,
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL"),
            *self._kernel_line(sockets),
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOME": "/root",
                    "TMPDIR": str(self._plan.memory_folder),
                },
            )

    def wait_ready(self) -> None:
        """Until commands are taken."""
        wait_until(self._answers, _BOOT_S, what=f"{self.name} is ready; {self.log}:\n{self._last_words()}")

    def power_off(self) -> None:
        """At once, as if the cable was pulled: nothing is flushed, nobody is told."""
        if self._process is None:
            return
        # The guest is a process-id name space: with its kernel, which is the first in it, all of it dies.
        for kernel in psutil.Process(self._process.pid).children() if self.alive else ():
            kernel.kill()
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """The whole machine stands still, its clock too."""
        self._kernel().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._kernel().send_signal(signal.SIGCONT)

    # Network

    def cut_off(self) -> None:
        """Neither the server nor other clients can be reached; commands of ours can."""
        self._network.cut(self.name)

    def heal(self) -> None:
        self._network.connect(self.name)

    # Commands

    def run(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        within_s: float = 30.0,
        check: bool = True,
    ) -> Output:
        """A command in the guest. Raises BedError if the guest dies, time is over or, with ``check``, it fails."""
        answer = self._ask(argv, env, "", within_s)
        raw_out, raw_error = base64.b64decode(answer["out"]), base64.b64decode(answer["error"])
        output = Output(
            int(answer["exit_code"]), raw_out.decode(errors="replace"), raw_error.decode(errors="replace")
        )
        if check and output.exit_code:
            raise BedError(
                f"{self.name}: {' '.join(map(str, argv))}: exit code {output.exit_code}\n{output.error}"
            )
        return output

    def start(self, *argv: str | Path, log: Path, env: Mapping[str, str] | None = None) -> int:
        """A command that goes on by itself, its output added to ``log``; returns its pid in the guest."""
        return int(self._ask(argv, env, str(log), 30.0)["pid"])

    def _ask(
        self, argv: Sequence[str | Path], env: Mapping[str, str] | None, log: str, within_s: float
    ) -> dict[str, str]:
        request = {
            "argv": [str(word) for word in argv],
            "env": dict(env or {}),
            "log": log,
            "within_s": within_s,
        }
        try:
            with self._network.socket(self._plan.host_number, _AGENT_PORT, 5.0) as link:
                link.sendall(json.dumps(request).encode() + b"\n")
                link.settimeout(_LOOK_EVERY_S)
                return self._receive(link, time.monotonic() + within_s + 10)
        except OSError as error:
            raise BedError(f"{self.name}: {argv[0]}: {error}") from error

    def _receive(self, link: socket.socket, deadline_s: float) -> dict[str, str]:
        data = b""
        while not data.endswith(b"\n"):
            try:
                piece = link.recv(1 << 20)
            except TimeoutError:
                # A guest without power says nothing, not even that the connection is over.
                if not self.alive or time.monotonic() > deadline_s:
                    raise BedError(f"{self.name} doesn't answer") from None
                continue
            if not piece:
                raise BedError(f"{self.name} ended the connection: {data!r}")
            data += piece
        answer: dict[str, str] = json.loads(data)
        if "refused" in answer:
            raise BedError(f"{self.name}: {answer['refused']}")
        return answer

    # Inside

    def _answers(self) -> bool:
        if not self.alive:
            raise BedError(f"{self.name} has ended; {self.log}:\n{self._last_words()}")
        try:
            return self.run("true", within_s=5.0).exit_code == 0
        except BedError:
            return False

    def _kernel(self) -> psutil.Process:
        assert self._process is not None
        (kernel,) = psutil.Process(self._process.pid).children()
        return kernel

    def _kernel_line(self, sockets: Path) -> list[str]:
        plan = self._plan
        sockets.mkdir(exist_ok=True)
        cards = [
            f"vec{number}:transport=tap,ifname={self._network.add_port(plan.name, switch)},depth=128,gro=1,"
            # Without gro, sending falls to 0.2 MB/s.
            f"mac=02:09:0{number}:00:00:{plan.host_number:02x}"
            for number, switch in enumerate((DATA, COMMANDS))
        ]
        return [
            str(self._kit.kernel), f"mem={plan.memory_mib}M", f"initrd={self._kit.initrd}", f"umid={plan.name}",
            f"uml_dir={sockets}", "con=null", "con0=null,fd:1", "ssl=null", "panic=-1", "loglevel=5",
            "random.trust_cpu=1", "raid=noautodetect", "rdinit=/init", *cards, *plan.arguments,
            f"bed.name={plan.name}", f"bed.number={plan.host_number}", f"bed.skipped_pids={plan.skipped_pids}",
        ]  # fmt: skip

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


class Client(Guest):
    """A guest that mounts the server's export."""

    def __init__(self, plan: GuestPlan, kit: Kit, network: Network, at: Path) -> None:
        super().__init__(plan, kit, network)
        self._at = at
        self.options = "vers=4.2"

    def mount(self, options: str) -> None:
        """Mount the export, instead of any earlier mount of it; ``options`` as in ``vers=3,actimeo=1``."""
        # On version 4 the export is the root of what the server shows.
        path = "/srv/export" if re.search(r"(^|,)vers=3", options) else "/"
        self.options = options
        self.run("sh", "-c", _MOUNT, self._at, path, options, within_s=_MOUNT_S)

    def power_on(self) -> None:
        """Boot and mount as before."""
        self.boot()
        self.wait_ready()
        self.mount(self.options)

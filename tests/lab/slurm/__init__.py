"""A real Slurm on the loopback interface: its own munge, slurmctld and slurmd, in a folder of its own."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.slurm.configuration import Layout, render_conf
from tests.support import wait_until

#: What each needed program is in.
PROGRAMS = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
}
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_END_S = 20.0


def find_missing() -> list[str]:
    """The packages without which no cluster can be started."""
    return sorted({package for program, package in PROGRAMS.items() if not _find(program)})


@dataclass
class SlurmLab:
    """A cluster below ``folder``, which must have a short path. Leaving it ends all that was started in it.

    Each of ``nodes`` pretends to have ``cpus`` CPUs. There is no accounting database: plain ``sacct`` fails.
    """

    folder: Path
    nodes: tuple[str, ...] = ("n1", "n2")
    cpus: int = 64
    layout: Layout = field(init=False)
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """What a client needs beside its own environment."""
        return {"SLURM_CONF": str(self.layout.conf)}

    def __enter__(self) -> SlurmLab:
        try:
            self._start()
        except BaseException:
            self.end_all()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.end_all()

    def run(
        self, *argv: str, cwd: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a client, ``sbatch`` or another, from ``cwd``."""
        done = subprocess.run(
            argv,
            cwd=cwd or self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stderr}"
        return done

    def states(self) -> dict[str, str]:
        """The state of each job that Slurm remembers by its id; tasks of an array are ``ID_TASK``."""
        listed = self.run("squeue", "--noheader", "--array", "--states=all", "--format=%i %T").stdout
        return dict(line.split() for line in listed.splitlines())

    def wait_ended(self, *ids: str, within_s: float = 60.0) -> dict[str, str]:
        """The final state of each of these jobs; ``ids`` are those of jobs, or of single tasks of arrays."""

        def look() -> dict[str, str]:
            states = self.states()
            ended = {one: states[one] for one in ids if states.get(one, "PENDING") not in _UNENDED}
            return ended if len(ended) == len(ids) else {}

        try:
            return wait_until(look, within_s, every_s=0.1, what=f"jobs {ids} have ended") if ids else {}
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from error

    def describe(self) -> str:
        """What the clients and the daemons say, for a failed test."""
        queue = self.run("squeue", "--states=all", "--format=%i %j %T %r", check=False)
        logs = [
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in self.folder.glob("*.log")
        ]
        return "\n".join([queue.stdout, queue.stderr, *logs])

    # Starting

    def _start(self) -> None:
        with ExitStack() as held:
            ports = tuple(_hold_port(held) for _ in range(1 + len(self.nodes)))
        self.layout = Layout(
            self.folder,
            socket.gethostname().split(".")[0],
            getpass.getuser(),
            ports,
            self.nodes,
            self.cpus,
            100_000,
        )
        self.layout.conf.write_text(render_conf(self.layout))
        (self.folder / "state").mkdir()
        self._start_munge()
        self._launch("slurmctld", "slurmctld", "-D", "-c")
        for name in self.nodes:
            (self.folder / "spool" / name).mkdir(parents=True)
            self._launch(f"slurmd-{name}", "slurmd", "-D", "-N", name)
        wait_until(self._is_ready, 60.0, every_s=0.05, what="the nodes are idle")

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o400)
        key.chmod(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        files = {"key-file": key, "socket": self.layout.munge_socket, "pid-file": "munge.pid"}
        files |= {"log-file": "munge.out", "seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self._launch("munged", "munged", "--foreground", "--force", *options)
        wait_until(self.layout.munge_socket.exists, what="munged answers")

    def _launch(self, name: str, program: str, *arguments: str) -> None:
        found = _find(program)
        assert found, f"no {program}: {PROGRAMS[program]} isn't installed"
        env = {"PATH": _PATH, "HOME": str(self.folder), "LANG": "C.UTF-8", **self.env}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.daemons[name] = subprocess.Popen(
                [found, *arguments],
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_ready(self) -> bool:
        for name, daemon in self.daemons.items():
            assert daemon.poll() is None, f"{name} has ended:\n{self.describe()}"
        # Before slurmctld listens, a client would go on trying for many seconds.
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.layout.ports[0])):
                return False
        listed = self.run("sinfo", "--noheader", "--Node", "--format=%N %t", check=False).stdout
        return {line.split()[0] for line in listed.splitlines() if line.endswith(" idle")} == set(self.nodes)

    # The end

    def end_all(self) -> None:
        """End the daemons, the controller first so that it starts nothing, then what they left running."""
        for name in sorted(self.daemons):
            self.daemons[name].terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(_END_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait(_END_S)
        wait_until(lambda: not self._kill_rest(), what="no process of the cluster is left")

    def _kill_rest(self) -> list[int]:
        """SIGKILL to every process that was started with this cluster's configuration."""
        if not hasattr(self, "layout"):
            return []
        mark = os.fsencode(f"SLURM_CONF={self.layout.conf}")
        found = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _has(pid, mark)]
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return found


_UNENDED = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "STAGE_OUT"}


def _find(program: str) -> str | None:
    return shutil.which(program, path=_PATH)


def _hold_port(held: ExitStack) -> int:
    """A free port of the loopback interface; it is free again when ``held`` closes."""
    listener = held.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    return port


def _has(pid: int, mark: bytes) -> bool:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # gone, or another user's
    return mark in environ.split(b"\0") and pid != os.getpid()

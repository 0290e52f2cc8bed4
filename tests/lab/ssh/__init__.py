"""A real sshd on the loopback interface, with keys and a configuration of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import wait_until

PROGRAMS = {"sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync"}
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_HOST = "lab-host"
#: sshd wants this folder where it runs as root; the package's service makes it.
_PRIVSEP = Path("/run/sshd")


def find_missing() -> list[str]:
    """The packages without which there is no other machine to fetch from."""
    return sorted(package for program, package in PROGRAMS.items() if not shutil.which(program, path=_PATH))


@dataclass
class SshLab:
    """``login`` leads to this very machine, for who has ``env``: an ``ssh`` that knows the keys."""

    folder: Path
    sshd: subprocess.Popen[bytes] | None = None
    port: int = field(init=False, default=0)

    @property
    def login(self) -> str:
        return f"{getpass.getuser()}@{_HOST}"

    @property
    def env(self) -> dict[str, str]:
        """What makes clients find it."""
        return {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def __enter__(self) -> SshLab:
        try:
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        if self.sshd is not None:
            self.sshd.terminate()
            self.sshd.wait(20)

    def _start(self) -> None:
        for name in ("host", "user"):
            key = str(self.folder / name)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (self.folder / "sshd_config").write_text(_SERVER.format(folder=self.folder, port=self.port))
        (self.folder / "ssh_config").write_text(
            _CLIENT.format(folder=self.folder, port=self.port, host=_HOST)
        )
        shim = self.folder / "bin" / "ssh"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.folder}/ssh_config "$@"\n')
        shim.chmod(0o755)
        if os.geteuid() == 0:
            _PRIVSEP.mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=_PATH)
        assert program
        with (self.folder / "sshd.log").open("wb") as log:
            # By its whole path: it executes itself anew for each connection.
            self.sshd = subprocess.Popen(
                [program, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, what="sshd answers")

    def _answers(self) -> bool:
        said = (self.folder / "sshd.log").read_text()
        assert self.sshd and self.sshd.poll() is None, said
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
"""
_CLIENT = """\
Host {host}
    HostName 127.0.0.1
    Port {port}
    IdentityFile {folder}/user
    IdentitiesOnly yes
    StrictHostKeyChecking no
    UserKnownHostsFile {folder}/known_hosts
    LogLevel ERROR
    BatchMode yes
"""

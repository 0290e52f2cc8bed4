"""The network of a bed: a name space with two switches, one for NFS, which can be cut, and one for commands."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

DATA, COMMANDS = "data", "commands"
#: Each switch has a subnet of its own; what ends in 254 is this machine.
_SUBNETS = {DATA: "10.9.0", COMMANDS: "10.9.1"}


class Network:
    """A network name space that lives as long as this process, at most."""

    def __init__(self) -> None:
        hold = ("unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity")
        # Whatever happens to us, nothing is left: not by a clean-up, but by the kernel.
        argv = ("setpriv", "--pdeathsig", "KILL", *hold)
        self._holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"ready\n", "no name space for a network"
        for switch, subnet in _SUBNETS.items():
            self._ip("link", "add", switch, "type", "bridge", "forward_delay", "0")
            self._ip("addr", "add", f"{subnet}.254/24", "dev", switch)
            self._ip("link", "set", switch, "up")

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    @property
    def entrance(self) -> tuple[str, ...]:
        """In front of a command line: that process is in this network."""
        return ("nsenter", f"--net=/proc/{self._holder.pid}/ns/net")

    def add_port(self, guest: str, switch: str) -> str:
        """A tap device on ``switch``, made if it isn't there; returns its name."""
        port = _port(guest, switch)
        if port not in self._ip("-brief", "link"):
            self._ip("tuntap", "add", "dev", port, "mode", "tap")
            self.connect(guest, switch)
            self._ip("link", "set", port, "up")
        return port

    def cut(self, guest: str) -> None:
        """Nothing passes between ``guest`` and the others; commands still reach it."""
        self._ip("link", "set", _port(guest, DATA), "nomaster")

    def connect(self, guest: str, switch: str = DATA) -> None:
        self._ip("link", "set", _port(guest, switch), "master", switch)

    def socket(self, host_number: int, port: int, timeout_s: float) -> socket.socket:
        """A connection to a guest over the network for commands. Raises OSError."""
        with self._entered():
            opened = socket.socket()
        try:
            opened.settimeout(timeout_s)
            opened.connect((f"{_SUBNETS[COMMANDS]}.{host_number}", port))
        except OSError:
            opened.close()
            raise
        return opened

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """This thread alone is in the network meanwhile."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(f"/proc/{self._holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(inside)
            try:
                yield
            finally:
                _enter(outside)
        finally:
            os.close(inside)
            os.close(outside)

    def _ip(self, *words: str) -> str:
        done = subprocess.run((*self.entrance, "ip", *words), capture_output=True, text=True)
        assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
        return done.stdout


def _port(guest: str, switch: str) -> str:
    return f"{guest}-{switch[0]}"


def _enter(name_space: int) -> None:
    if _libc.setns(name_space, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")

"""Runs a daemon that takes its machine for another one: ``posing.py HOST PROGRAM ARGUMENTS``.

The host's name is all by which leases tell machines apart.
"""

from __future__ import annotations

import runpy
import socket
import sys


def pose_as(host: str) -> None:
    socket.gethostname = lambda: host  # type: ignore[assignment]


if __name__ == "__main__":
    pose_as(sys.argv[1])
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")

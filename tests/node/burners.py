"""A job that burns CPU time in every way that hides from a pause: setsid, a double fork, a child of a child.

``burners.py BEGUN``: makes the file BEGUN once all of them burn. They end with SIGTERM, or after two minutes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

_MOST_S = 120


def burn() -> None:
    signal.alarm(_MOST_S)
    while True:
        pass


def fork(do: object) -> int:
    pid = os.fork()
    if pid == 0:
        assert callable(do)
        do()
        os._exit(0)
    return pid


def apart() -> None:
    """In a session of its own."""
    os.setsid()
    burn()


def twice() -> None:
    """Forks again and ends, so that its child has no parent of the job."""
    os.setsid()
    fork(apart)


if __name__ == "__main__":
    fork(apart)
    os.waitpid(fork(twice), 0)
    Path(sys.argv[1]).touch()
    burn()

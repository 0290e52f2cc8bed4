"""``spoold``, killed by SIGKILL at the moment at which it would note that a notice was sent.

Its first argument is the path of the program that it stands for; the others are that program's.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spoold.fsops import FileOps
from spoold.main import main


@contextmanager
def step(self: FileOps, operation: str, *paths: Path) -> Iterator[None]:
    if operation == "rename" and paths[-1].parent.name == "sent":
        os.kill(os.getpid(), signal.SIGKILL)
    yield


FileOps.step = step  # type: ignore[method-assign]
del sys.argv[0]
main()

"""Runs a daemon whose time of day somebody sets: ``jumping.py FILE PROGRAM ARGUMENTS``.

What stands in FILE, in seconds, is added to it; the monotonic clock goes on as it was.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path


def set_clock_by(file: Path) -> None:
    real = time.time
    time.time = lambda: real() + float(file.read_text())


if __name__ == "__main__":
    set_clock_by(Path(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")

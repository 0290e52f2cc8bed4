"""Runs a daemon that is told of no run that it could be started: ``deaf.py PROGRAM ARGUMENTS``.

Each of its runs begins, and its launch fails all the same, as when another daemon's request won.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import NoReturn

from nodewatch.process import Launcher, LaunchFailed, RunSpec

_launch = Launcher.launch


def launch(self: Launcher, run_dir: Path, spec: RunSpec) -> NoReturn:
    _launch(self, run_dir, spec).close()
    raise LaunchFailed(f"no run could be started in {run_dir}", "File exists")


if __name__ == "__main__":
    Launcher.launch = launch  # type: ignore[method-assign]
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")

"""A signal to those processes of a job that wait for it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from nodewatch.process.control import find_processes
from nodewatch.process.records import read_session
from nodewatch.process.run import Run
from nodewatch.process.runner import procfs

_CAUGHT = re.compile(r"^SigCgt:\s*([0-9a-f]+)$", re.M)


def signal_catchers(run: Run, signum: signal.Signals) -> int:
    """Signal every process of the job that has a handler for it; returns how many that were.

    The others, such as a shell that waits for a solver, would die of it; and so would the image of a
    container.
    """
    told = 0
    contained = read_session(run.run_dir) is not None
    for pid, start in find_processes(run):
        if contained and procfs.attends_container(pid):
            continue
        process = procfs.look(pid)
        if process and process.start == start and _catches(pid, signum) and procfs.send(process, signum):
            told += 1
    return told


def _catches(pid: int, signum: signal.Signals) -> bool:
    try:
        found = _CAUGHT.search(Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return found is not None and bool(int(found[1], 16) >> (signum - 1) & 1)

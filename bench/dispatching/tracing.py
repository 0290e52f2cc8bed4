"""File system operations a job, counted by strace on one daemon and all that it starts.

Two batches of different size run one after the other; the difference between their counts, divided by the
difference between their sizes, is free of what happens once a batch.
"""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from pathlib import Path

from .figures import Operations
from .spool_system import Lab, running_lab

_CALLS = (
    "%file,getdents64,read,pread64,write,pwrite64,ftruncate,fchmod,fchown,utimensat,"
    "copy_file_range,sendfile,fsync,fdatasync,syncfs"
)
_SMALL, _LARGE = 50, 150
#: ``PID TIME CALL(ARGUMENTS``; the second half of an interrupted call doesn't match.
_LINE = re.compile(r"\d+ +(\d+\.\d+) (\w+)\((.*)")


def why_untraceable() -> str | None:
    return None if shutil.which("strace") else "no strace in PATH (Debian package strace)"


def count_operations(folder: Path) -> Operations:
    """Raises BenchmarkError if the batches don't end."""
    # -y writes the path of every descriptor, so that a call on an open file tells where the file is.
    a_job = _count_a_job(folder / "all", ["-y", "-e", f"trace={_CALLS}"])
    by_call = {call: count for (call, in_spool), count in sorted(a_job.items()) if in_spool}
    elsewhere = sum(count for (_, in_spool), count in a_job.items() if not in_spool)
    # By a filter in the kernel all other calls go untraced, so that jobs end as fast as ever.
    flushes = sum(_count_a_job(folder / "flushes", ["-y", "--seccomp-bpf", "-e", "trace=syncfs"]).values())
    return Operations(sum(by_call.values()), elsewhere, by_call, flushes)


def _count_a_job(folder: Path, options: list[str]) -> dict[tuple[str, bool], float]:
    """Calls a job, by name and by whether a path in the spool is among the arguments."""
    folder.mkdir()
    log = folder / "strace.log"
    prefix = ["strace", "-f", "-ttt", "-s", "0", "-o", str(log), *options]
    with running_lab(folder, nodes=1, prefix=prefix) as lab:
        windows = [_run(lab, jobs) for jobs in (_SMALL, _LARGE)]
        root = str(lab.layout.root)
    small, large = (_count(log, window, root) for window in windows)
    more_jobs = _LARGE - _SMALL
    return {key: (large[key] - small[key]) / more_jobs for key in large.keys() | small.keys()}


def _run(lab: Lab, jobs: int) -> tuple[float, float]:
    """Runs a batch; returns when it began and ended, Unix seconds."""
    batch = f"traced{jobs}"
    began_at = time.time()
    lab.submit(batch, jobs)
    return began_at, lab.await_end(batch, jobs)


def _count(log: Path, window: tuple[float, float], root: str) -> Counter[tuple[str, bool]]:
    """Calls within the window, by name and by whether a path in the spool is among the arguments."""
    counted: Counter[tuple[str, bool]] = Counter()
    with log.open(errors="replace") as lines:
        for line in lines:
            match = _LINE.match(line)
            if match and window[0] <= float(match[1]) <= window[1]:
                counted[match[2], root in match[3]] += 1
    return counted

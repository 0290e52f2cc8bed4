"""One runner at a time for each job: a batch may be submitted twice, by two who don't know of each other."""

import errno
import fcntl
import os

from .records import NotBegun

_NOBODY = "?"


def hold(path: str) -> None:
    """Keep others from what ``path`` stands for until this process ends. Raises NotBegun.

    A file system without locks keeps nobody. Slurm runs a job that it requeues under its old number, and
    never twice at a time: the lock of a machine that died may outlive it.
    """
    number = os.environ.get("SLURM_JOB_ID", "")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            return
        holder = os.pread(handle, 100, 0).decode("ascii", "replace").strip() or _NOBODY
        if number != holder:
            raise NotBegun(f"Slurm job {holder} does the same; if that one is gone, remove {path}") from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, number.encode(), 0)

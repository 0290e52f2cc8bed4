"""A runner's life: one run after the other while its daemon lives, and then to the end of the last."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import traceback
from typing import Any, NoReturn

from . import layout, wire
from .attending import Attendant
from .spawning import NotStarted

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER = 36


def serve(control_fd: int) -> NoReturn:
    """Serve one run at a time until the daemon closes its end, or dies.

    It may do so during a run: then this ends with that run.
    """
    # Nothing but SIGKILL ends a runner; it waits for the few signals that it wants.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    # Ignored, which may be inherited, it would hide how our children end.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # A solver's core is as large as its memory, and nobody asked for it; a job may raise this again.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    attendant, standing = Attendant(), _standing()
    while (request := wire.receive_request(control)) is not None:
        _serve_one(attendant, request, control)
        if _standing() != standing:
            break  # the next job would have it too; the daemon starts another runner
    os._exit(0)


def _standing() -> tuple[int, set[int]]:
    """What a job inherits and others can change: whoever renices a job may do so to its runner too."""
    return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)


def _serve_one(attendant: Attendant, request: dict[str, Any], control: socket.socket) -> None:
    try:
        attendant.attend(request, control)
    except NotStarted as trouble:
        wire.refuse(control, layout.shorten(str(trouble)))
    except BaseException:  # noqa: BLE001 - the last boundary of this process
        _leave_word(request["run_dir"])
        os._exit(1)


def _leave_word(run_dir: str) -> None:
    """Nobody reads our standard error; what went wrong here stands in the run folder."""
    try:
        with open(f"{run_dir}/{layout.TROUBLE}", "w", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError:
        return  # the folder or the disk itself is the trouble; the missing record says that the run is lost

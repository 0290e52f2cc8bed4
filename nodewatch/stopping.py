"""Ending the daemon of a scratch folder from outside: ``nodewatch --stop``."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

from filelock import Timeout

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import list_attempts
from nodewatch.scratch import Scratch, ScratchInUse

#: Ends a daemon that shall give its jobs back; SIGTERM ends one that leaves them running.
REQUEUE_SIGNAL = signal.SIGUSR1

_TELL_EVERY_S = 5.0


class NotStopped(DistributeError):
    """The daemon can't be told to end."""


def end_daemon(scratch: Path, requeue: bool, say: Callable[[str], None]) -> bool:
    """Tell the daemon that uses ``scratch`` to end, and wait until it has; False if there is none.

    Raises NotStopped if it is somebody else's.
    """
    handle = _open_daemon(Scratch(scratch, 0))
    if handle is None:
        say(f"no nodewatch runs with {scratch}")
        return False
    pid, process = handle
    try:
        signal.pidfd_send_signal(process, REQUEUE_SIGNAL if requeue else signal.SIGTERM)
        waited_s = 0.0
        while not select.select([process], [], [], _TELL_EVERY_S)[0]:
            waited_s += _TELL_EVERY_S
            doing = "gives its jobs back" if requeue else "ends"
            say(f"nodewatch (pid {pid}) {doing}; {waited_s:.0f} s so far")
    except PermissionError as error:
        raise NotStopped(
            f"nodewatch (pid {pid}) isn't yours to end", str(error), f"as its user: kill {pid}"
        ) from error
    finally:
        os.close(process)
    say(f"nodewatch (pid {pid}) has ended")
    return True


def is_tidy(scratch: Path) -> bool:
    """Whether no attempt is left there, be it running or with a result that isn't delivered."""
    return not any(list_attempts(Scratch(scratch, 0).runs))


def _open_daemon(scratch: Scratch) -> tuple[int, int] | None:
    """The pid of whoever holds the scratch folder, and a pidfd of it."""
    if not scratch.pid.exists() or not _in_use(scratch):
        return None
    pid = int(scratch.pid.read_text())
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # RACE: the pid was recycled if the daemon ended before that; then nobody holds the folder.
    if _in_use(scratch):
        return pid, process
    os.close(process)
    return None


def _in_use(scratch: Scratch) -> bool:
    try:
        scratch.lock().release()
    except (ScratchInUse, Timeout):
        return True
    return False

"""Running processes that outlive the daemon, on local disk only; nothing here touches the spool.

Small *runner* processes serve one run after the other: a runner starts the job, stays until nothing of it is
left and writes the exit record into the run folder. See ``runner/layout.py`` for what lies in that folder.
"""

from nodewatch.process.control import Usage, find_processes, pause, peek, resume, stop, sweep
from nodewatch.process.delegation import Delegation, Undelegated, delegate
from nodewatch.process.errors import LauncherDied, LaunchFailed, ProcessesRemain
from nodewatch.process.launcher import Launcher
from nodewatch.process.pausing import PauseRequest, PauseState, Touch
from nodewatch.process.records import (
    ExitRecord,
    Limits,
    RunSpec,
    Started,
    read_exit,
    read_started,
    was_started,
)
from nodewatch.process.run import Run, adopt, is_of_this_boot
from nodewatch.process.signalling import signal_catchers

__all__ = [
    "Delegation",
    "ExitRecord",
    "LaunchFailed",
    "Launcher",
    "LauncherDied",
    "Limits",
    "PauseRequest",
    "PauseState",
    "ProcessesRemain",
    "Run",
    "RunSpec",
    "Started",
    "Touch",
    "Undelegated",
    "Usage",
    "adopt",
    "delegate",
    "find_processes",
    "is_of_this_boot",
    "pause",
    "peek",
    "read_exit",
    "read_started",
    "resume",
    "signal_catchers",
    "stop",
    "sweep",
    "was_started",
]

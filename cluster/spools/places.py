"""Where this machine's own queue lives: in the user's state folder, a folder for each host.

    HOST/queue/            the private spool, and its node's scratch and log
    HOST/queue-4/          the same of a queue that was given 4 cores
    HOST/environments/     the environments that jobs were submitted in
    HOST/jobs/NAME.ID/     what functions are called with, print and return

Home folders may be shared between hosts; a queue can't be.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

import platformdirs

from cluster.errors import ClusterError


def state_folder() -> Path:
    """The folder of all this; made for its owner only. Raises ClusterError if it can't be."""
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname()) or "localhost"
    folder = platformdirs.user_state_path("distribute") / "cluster" / host
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ClusterError(
            f"{folder} can't be made",
            f"{error.strerror}, and this machine's own queue lives there",
            "choose another place: export XDG_STATE_HOME=/path",
        ) from error
    return folder


def queue_folder(cores: int) -> Path:
    """The folder of the queue that was given so many cores; 0: all."""
    return state_folder() / (f"queue-{cores}" if cores else "queue")


def environments_folder() -> Path:
    return state_folder() / "environments"


def jobs_folder(name: str, unique: str) -> Path:
    """The folder for the files of a job that is a function; nobody else has it."""
    return state_folder() / "jobs" / f"{name}.{unique}"


def is_private(folder: Path) -> bool:
    """Whether it is such a folder."""
    return folder.parent.name == "jobs" and folder.parent.parent == state_folder()

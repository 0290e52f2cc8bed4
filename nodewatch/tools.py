"""What the slots of a node work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from nodewatch.cache import Cache
from nodewatch.config import NodeConfig
from nodewatch.process import ExitRecord, Launcher
from nodewatch.queue import Claimed
from nodewatch.scratch import Scratch
from nodewatch.supervisor import Supervisor
from nodewatch.topology import Topology
from nodewatch.uploading import Upload
from spoold.spool import Spool


@dataclass(frozen=True, slots=True)
class Tools:
    """What a slot works with; shared by all of them.

    ``stop``: the daemon ends, and leaves what runs alone, unless ``requeue``: then it gives its jobs back.
    ``shun`` is told a batch that can't be built here, ``note`` how each job ended, ``built`` which
    attempt (a slot's ``key``) has done with its batch's tree what its first job does.
    """

    spool: Spool
    config: NodeConfig
    scratch: Scratch
    cache: Cache
    launcher: Launcher
    supervisor: Supervisor
    stop: Event
    requeue: Event
    upload: Callable[[Upload], None]
    shun: Callable[[str], None]
    note: Callable[[Claimed, ExitRecord], None]
    built: Callable[[str], None]
    topology: Topology

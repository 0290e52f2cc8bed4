"""The queues that jobs can go to: each behind the same protocol, with one poll for the whole program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from cluster.config_file import get_option
from cluster.engines.polling import SharedPoll
from cluster.engines.protocol import Engine
from cluster.errors import ClusterError
from cluster.modes import Mode


@dataclass(frozen=True, eq=False)
class Client:
    """A queue, and the poll that all its jobs share."""

    mode: Mode
    engine: Engine
    polls: SharedPoll


#: Module and class of each engine, imported when first used.
_ENGINES: Mapping[Mode, tuple[str, str]] = {
    Mode.SLURM: ("cluster.engines.slurm", "SlurmEngine"),
    Mode.TORQUE: ("cluster.engines.torque", "TorqueEngine"),
    Mode.LOCAL: ("cluster.engines.local", "LocalEngine"),
    Mode.DISTRIBUTE: ("cluster.engines.distribute", "DistributeEngine"),
}


@cache
def client_for(mode: Mode) -> Client:
    """The client of a queue, one for the whole program. Raises ClusterError for a queue without an engine."""
    if mode not in _ENGINES:
        known = ", ".join(_ENGINES)
        raise ClusterError(
            f"this version can't submit jobs to the queue {mode}", "", f"choose one of {known}"
        )
    module, name = _ENGINES[mode]
    make: Callable[[], Engine] = getattr(import_module(module), name)
    engine = make()
    every_s = engine.poll_s or float(get_option("queue", "queue_update"))
    return Client(mode, engine, SharedPoll(engine.poll, every_s))


@cache
def local_client(cores: int) -> Client:
    """A queue of this machine with ``cores`` cores, beside the one of ``client_for(Mode.LOCAL)``."""
    from cluster.engines.local import LocalEngine

    engine = LocalEngine(cores)
    return Client(Mode.LOCAL, engine, SharedPoll(engine.poll, engine.poll_s or 0.0))

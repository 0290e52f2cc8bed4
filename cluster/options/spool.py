"""A job's options as a spool understands them: this machine's own, or a lab's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.options.checking import check_arguments
from cluster.options.groups import CLUSTER_KWDS, NORMAL_KWDS
from distribute_compute_config.quantities import parse_duration

_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class SpoolRequest:
    """What a job asks of a node. ``inexpressible`` names the given options that mean nothing to a spool."""

    cores: int | None = None
    memory_bytes: int | None = None
    gpus: int = 0
    time_s: float | None = None
    capabilities: tuple[str, ...] = ()
    retries: int = 0
    priority: int = 0
    inexpressible: tuple[str, ...] = ()


def to_spool(options: Mapping[str, object]) -> SpoolRequest:
    """The options of one job for a spool; ``features`` are capabilities there.

    Raises OptionsError, TypeError and ValueError as ``check_arguments`` does.
    """
    checked = check_arguments(options)
    capabilities = [*checked.get("capabilities", ()), *checked.get("features", ())]
    memory_mb = checked.get("mem")
    return SpoolRequest(
        cores=checked.get("cores"),
        memory_bytes=None if memory_mb is None else memory_mb * _MIB,
        gpus=checked.get("gpus", 0),
        time_s=parse_duration(checked["time"]) if "time" in checked else None,
        capabilities=tuple(dict.fromkeys(capabilities)),
        retries=checked.get("retries", 0),
        priority=checked.get("priority", 0),
        inexpressible=tuple(name for name, value in checked.items() if _is_inexpressible(name, value)),
    )


def _is_inexpressible(name: str, value: object) -> bool:
    # A job has one node there: asking for one says nothing.
    return name in CLUSTER_KWDS and name not in NORMAL_KWDS and (name, value) != ("nodes", 1)

"""What a node is told about itself: flags, then environment, then ``nodewatch.yaml``, then what it sees."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from distribute_compute_config.errors import DistributeError
from distribute_compute_config.names import InvalidName, check_name
from distribute_compute_config.quantities import format_memory, parse_memory
from nodewatch.capacity import Capacity
from nodewatch.owner.settings import KEYS as ASIDE_KEYS
from nodewatch.owner.settings import AsideSettings

DEFAULT_CACHE_BYTES = 20 << 30
DEFAULT_MIN_FREE_BYTES = 200 << 20
DEFAULT_EVICT_GRACE_S = 30.0

_KEYS = frozenset(
    {
        "spool", "name", "scratch", "cores", "memory", "gpus", "reserve", "capabilities", "without",
        "cache_size", "min_free", "steward", "notices", "cgroups", "pause", "evict_grace", "idle_exit",
        *ASIDE_KEYS,
    }
)  # fmt: skip
_LISTS = frozenset({"capabilities", "without"})


_RESERVE_FORM = "write it as reserve: {cores: 2, memory: 4G}, or --reserve cores=2,memory=4G"


class BadConfig(DistributeError):
    """The node's configuration can't be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A node's settings. ``capabilities`` are added to what is found, ``without`` taken from it.

    ``cores``, ``memory_bytes`` and ``gpus`` are what jobs may use; what is kept back for the machine's owner
    is taken off already, and the first ``reserved_cores`` of the machine are its owner's. ``evict``: a pause
    ends the jobs, for other nodes to do them, after at most ``evict_grace_s`` seconds for a checkpoint.
    ``idle_exit_s``: the daemon ends when there was nothing to do for so many seconds; None: it doesn't.
    """

    spool: Path
    name: str
    scratch: Path
    cores: int
    memory_bytes: int
    gpus: int = 0
    reserved_cores: int = 0
    capabilities: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    cache_bytes: int = DEFAULT_CACHE_BYTES
    min_free_bytes: int = DEFAULT_MIN_FREE_BYTES
    steward: bool = True
    cgroups: bool = True
    aside: AsideSettings = field(default_factory=AsideSettings)
    evict: bool = False
    evict_grace_s: float = DEFAULT_EVICT_GRACE_S
    idle_exit_s: float | None = None
    notices: bool = True

    @property
    def capacity(self) -> Capacity:
        return Capacity(self.cores, self.memory_bytes, self.gpus)


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is kept back for who sits at the machine."""

    cores: int = 0
    memory_bytes: int = 0


def config_paths() -> list[Path]:
    """Where ``nodewatch.yaml`` is looked for, in this order."""
    from platformdirs import user_config_path

    return [user_config_path("distribute") / "nodewatch.yaml", Path("/etc/distribute/nodewatch.yaml")]


def read_config_file(path: Path) -> dict[str, Any]:
    """The values of a ``nodewatch.yaml``. Raises BadConfig naming each key that is wrong."""
    import yaml

    try:
        values = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise BadConfig(f"{path} can't be read", str(error)) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise BadConfig(f"{path} is no mapping", "it must hold lines like `name: alice`")
    mistakes = list(_find_mistakes(values))
    if mistakes:
        raise BadConfig(str(path), "; ".join(mistakes), f"known are {', '.join(sorted(_KEYS))}")
    if isinstance(values.get("reserve"), dict):
        # As it is written on a command line: one reader for both.
        values["reserve"] = ",".join(f"{key}={value}" for key, value in values["reserve"].items())
    return values


def parse_reserve(written: str) -> Reserve:
    """What ``cores=2,memory=4G`` keeps back. Raises BadConfig."""
    cores, memory_bytes = 0, 0
    for piece in filter(None, (part.strip() for part in written.split(","))):
        key, _, value = (part.strip() for part in piece.partition("="))
        try:
            if key == "cores":
                cores = int(value)
            elif key == "memory":
                memory_bytes = parse_memory(value)
            else:
                raise ValueError(f"{key!r} is neither cores nor memory")
        except ValueError as error:
            raise BadConfig(f"reserve: {piece!r} can't be read", str(error), _RESERVE_FORM) from error
    if cores < 0:
        raise BadConfig(f"reserve: {cores} cores", "it can't be less than none", _RESERVE_FORM)
    return Reserve(cores, memory_bytes)


def _find_mistakes(values: dict[Any, Any]) -> Iterator[str]:
    """Each key that isn't known, or whose value has another form than it must."""
    for key, value in values.items():
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, n=1)
            yield f"unknown key {str(key)!r}{f', did you mean {near[0]}?' if near else ''}"
        elif key in _LISTS and not isinstance(value, list):
            yield f"{key} is no list: write it as {key}: [{value}]"


def default_name() -> str:
    """This host's name without its domain."""
    return socket.gethostname().partition(".")[0]


def default_scratch(name: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("distribute") / "scratch" / name


def count_cores() -> int:
    """Physical cores: what a solver should use."""
    import psutil

    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def count_memory_bytes() -> int:
    """The machine's main memory."""
    import psutil

    return int(psutil.virtual_memory().total)


def measure(
    cores: int | None, memory_bytes: int | None, gpus: int | None, reserve: str
) -> tuple[Capacity, int]:
    """What jobs may use, from what is said and else from what is seen, and how many cores are kept back.

    Raises BadConfig if nothing would be left.
    """
    from nodewatch.gpus import count_gpus

    kept = parse_reserve(reserve)
    machine = Capacity(
        cores or count_cores(), memory_bytes or count_memory_bytes(), count_gpus() if gpus is None else gpus
    )
    left = Capacity(machine.cores - kept.cores, machine.memory_bytes - kept.memory_bytes, machine.gpus)
    if left.cores < 1 or left.memory_bytes < 1:
        what = f"of {machine.cores} cores and {format_memory(machine.memory_bytes)} nothing is left for jobs"
        raise BadConfig(f"reserve: {reserve} is too much", what, "keep back less")
    return left, kept.cores


def check_names(name: str, capabilities: frozenset[str]) -> None:
    """Raises BadConfig."""
    try:
        check_name("node", name)
        for capability in sorted(capabilities):
            check_name("capability", capability)
    except InvalidName as error:
        raise BadConfig(error.what, error.why) from error

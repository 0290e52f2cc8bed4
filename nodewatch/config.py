"""What a node is told about itself: flags, then environment, then ``nodewatch.yaml``, then what it sees."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distribute_compute_config.errors import DistributeError
from distribute_compute_config.names import InvalidName, check_name

DEFAULT_CACHE_BYTES = 20 << 30
DEFAULT_MIN_FREE_BYTES = 200 << 20

_KEYS = frozenset(
    {"spool", "name", "scratch", "cores", "capabilities", "without", "cache_size", "min_free", "steward"}
)
_LISTS = frozenset({"capabilities", "without"})


class BadConfig(DistributeError):
    """The node's configuration can't be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A node's settings. ``capabilities`` are added to what is found, ``without`` taken from it."""

    spool: Path
    name: str
    scratch: Path
    cores: int
    capabilities: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    cache_bytes: int = DEFAULT_CACHE_BYTES
    min_free_bytes: int = DEFAULT_MIN_FREE_BYTES
    steward: bool = True


def config_paths() -> list[Path]:
    """Where ``nodewatch.yaml`` is looked for, in this order."""
    from platformdirs import user_config_path

    return [user_config_path("distribute") / "nodewatch.yaml", Path("/etc/distribute/nodewatch.yaml")]


def read_config_file(path: Path) -> dict[str, Any]:
    """The values of a ``nodewatch.yaml``. Raises BadConfig naming the key that is wrong."""
    import yaml

    try:
        values = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise BadConfig(f"{path} can't be read", str(error)) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise BadConfig(f"{path} is no mapping", "it must hold lines like `name: alice`")
    unknown = sorted(str(key) for key in values.keys() - _KEYS)
    if unknown:
        raise BadConfig(f"{path}: unknown key {unknown[0]!r}", f"known are {', '.join(sorted(_KEYS))}")
    for key in sorted(_LISTS & values.keys()):
        if not isinstance(values[key], list):
            raise BadConfig(f"{path}: {key} is no list", "", f"write it as {key}: [{values[key]}]")
    return values


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


def check_names(name: str, capabilities: frozenset[str]) -> None:
    """Raises BadConfig."""
    try:
        check_name("node", name)
        for capability in sorted(capabilities):
            check_name("capability", capability)
    except InvalidName as error:
        raise BadConfig(error.what, error.why) from error

"""Functions and scripts as jobs, on Slurm, Torque, this machine, or the lab's spool.

Names are imported when first used, so that ``import cluster`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.errors import ClusterError as ClusterError
    from cluster.errors import OptionsError as OptionsError

_MODULES = {
    "errors": ("ClusterError", "OptionsError"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

"""Functions and scripts as jobs, on Slurm, Torque, this machine, or the lab's spool.

Names are imported when first used, so that ``import cluster`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster import config_file as config_file
    from cluster import logme as logme
    from cluster import modes as modes
    from cluster import options as options
    from cluster import run as run
    from cluster.config_file import Profile as Profile
    from cluster.config_file import del_profile as del_profile
    from cluster.config_file import get_profile as get_profile
    from cluster.config_file import set_profile as set_profile
    from cluster.errors import ClusterError as ClusterError
    from cluster.errors import CommandError as CommandError
    from cluster.errors import CommandTimeout as CommandTimeout
    from cluster.errors import ConfigError as ConfigError
    from cluster.errors import OptionsError as OptionsError
    from cluster.errors import ProfileNotFound as ProfileNotFound
    from cluster.modes import Mode as Mode
    from cluster.modes import get_cluster_environment as get_cluster_environment
    from cluster.options import check_arguments as check_arguments
    from cluster.options import option_help as option_help

_MODULES = {
    "config_file": ("Profile", "del_profile", "get_profile", "set_profile"),
    "errors": (
        *("ClusterError", "CommandError", "CommandTimeout"),
        *("ConfigError", "OptionsError", "ProfileNotFound"),
    ),
    "modes": ("Mode", "get_cluster_environment"),
    "options": ("check_arguments", "option_help"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


#: Users write ``cluster.logme.MIN_LEVEL = "debug"`` after ``import cluster`` alone.
_SUBMODULES = ("config_file", "logme", "modes", "options", "run")


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_SUBMODULES})

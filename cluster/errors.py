"""What goes wrong in this package; each error says what, why, and what to type next."""

from __future__ import annotations

from distribute_compute_config.errors import DistributeError


class ClusterError(DistributeError):
    """The base of this package's errors."""


class OptionsError(ClusterError):
    """A keyword argument that no job has, or that contradicts another one."""


class ConfigError(ClusterError):
    """The config file can't be read, or what shall be written there is none of its options."""


class ProfileNotFound(ConfigError):
    """There is no profile of that name."""

    exit_code = 4  # the command line's for what isn't there


class CommandError(ClusterError):
    """A program that can't be started."""


class CommandTimeout(CommandError):
    """A program that gave no answer in time; it was killed."""

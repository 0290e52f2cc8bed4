"""What goes wrong in this package; each error says what, why, and what to type next."""

from __future__ import annotations

from distribute_compute_config.errors import DistributeError


class ClusterError(DistributeError):
    """The base of this package's errors."""


class OptionsError(ClusterError):
    """A keyword argument that no job has, or that contradicts another one."""

"""What can go wrong with processes."""

from __future__ import annotations

from distribute_compute_config.errors import DistributeError


class LauncherDied(DistributeError):
    """The process that should start a run has died, and so has one started in its place."""


class LaunchFailed(DistributeError):
    """The node could not start a run; the job itself is not to blame."""


class ProcessesRemain(DistributeError):
    """Some processes of a job could not be brought into the wanted state in time."""

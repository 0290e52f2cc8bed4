"""How the runner starts a container: as a node does, with places to be filled in there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distribute_compute_config.errors import DistributeError

NO_CONTAINER: Mapping[str, Any] = {
    "container": False,
    "quoted_argv": [],
    "mounts": [],
    "environment": {},
}


def describe_start(mounts: Sequence[str], gpu: bool) -> dict[str, Any]:
    """What ``job.json`` says of a job that runs the image of its batch."""
    raise DistributeError("apptainer batches can't be brought to Slurm by this version")

"""How the runner starts a container: as a node does, with places to be filled in there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distribute_cli.slurm.runner.records import QUOTED_TREE, ROOT, TREE
from distribute_compute_config import container
from distribute_compute_config.container import Folders, container_argv

IMAGE = "image.sif"
_WORK = "container/work"
NO_CONTAINER: Mapping[str, Any] = {
    "container": False,
    "quoted_argv": [],
    "folders": [],
    "environment": {},
}


def describe_start(mounts: Sequence[str], gpu: bool) -> dict[str, Any]:
    """What ``job.json`` says of a job that runs the image of its batch."""
    places = [(f"container/mounts/{number}", inside) for number, inside in enumerate(mounts)]
    return {
        "container": True,
        "argv": _argv(TREE, places, gpu),
        "quoted_argv": _argv(QUOTED_TREE, places, gpu),
        "takes_cores": True,
        "folders": [_WORK, *(outside for outside, _ in places)],
        "environment": {**container.ENVIRONMENT, "DISTRIBUTE_SAVE": container.SAVE},
    }


def _argv(tree: str, mounts: Sequence[tuple[str, str]], gpu: bool) -> list[str]:
    """Without the number of cores, which stands last and is known when the job runs."""
    folders = Folders(
        image=f"{ROOT}/{IMAGE}",
        save=f"{tree}/distribute_save",
        input=f"{tree}/input",
        work=f"{TREE}/{_WORK}",
        mounts=tuple((f"{tree}/{outside}", inside) for outside, inside in mounts),
    )
    return list(container_argv(folders, 0, gpu)[:-1])

"""What this machine is for the jobs that shall run on it alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from distribute_cli.words import count, join, say_size
from distribute_compute_config.container import BINARIES, CAPABILITY
from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from distribute_compute_config import JobFile, Resources
    from nodewatch.capacity import Capacity

_TOLD_MAX = 10


class TooSmall(DistributeError):
    """A job asks for more than this machine has."""


def require_size(jobfile: JobFile, machine: Capacity) -> None:
    """Raises TooSmall, naming the jobs."""
    from distribute_compute_config import effective_resources

    texts = [
        f"{job.name} asks for {text}"
        for job in jobfile.jobs
        for text in _find_excess(effective_resources(jobfile, job), machine)
    ]
    if not texts:
        return
    more = [f"and {len(texts) - _TOLD_MAX} more"] if len(texts) > _TOLD_MAX else []
    memory, gpus = say_size(machine.memory_bytes), count(machine.gpus, "GPU")
    has = f"{count(machine.cores, 'core')}, {memory} of memory and {gpus}"
    raise TooSmall(
        f"this machine is too small: it has {has}",
        "; ".join([*texts[:_TOLD_MAX], *more]),
        "run others: --job NAME\nor for a trial, ask for less in the job file (resources)",
    )


def find_lacking(jobfile: JobFile, machine: Capacity) -> list[str]:
    """The capabilities that the batch requires and that nothing here tells of. Raises DistributeError if it
    has an image, and images can't be run here."""
    from nodewatch.capabilities import find_abilities
    from nodewatch.config import NodeConfig
    from spoold.local_node import NODE

    if not (jobfile.meta.capabilities or jobfile.apptainer):
        # To look takes a moment.
        return []
    found = find_abilities(
        NodeConfig(Path(), NODE, Path(), machine.cores, machine.memory_bytes, machine.gpus)
    )
    if jobfile.apptainer and CAPABILITY not in found.capabilities:
        hint = "install apptainer 1.1 or later: https://apptainer.org/docs/admin/main/installation.html"
        none = f"there is no {join(BINARIES, last='or')} in PATH"
        if found.unusable:
            raise found.unusable
        raise DistributeError("this machine can't run images", none, hint)
    return [one for one in jobfile.meta.capabilities if one not in found.capabilities]


def _find_excess(asked: Resources, machine: Capacity) -> Iterator[str]:
    from distribute_compute_config import parse_memory

    if (asked.cores or 0) > machine.cores:
        yield count(asked.cores or 0, "core")
    if asked.memory is not None and parse_memory(asked.memory) > machine.memory_bytes:
        yield f"{say_size(parse_memory(asked.memory))} of memory"
    if (asked.gpus or 0) > machine.gpus:
        yield count(asked.gpus or 0, "GPU")

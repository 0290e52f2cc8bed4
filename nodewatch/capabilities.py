"""What this workstation can do, as far as it can see itself."""

from __future__ import annotations

import shutil

from nodewatch.config import NodeConfig, default_name

#: Capabilities that a program in PATH stands for.
PROGRAMS = ("python3", "gcc", "gfortran", "make", "cmake", "mpirun", "apptainer", "nvcc", "git")
_SAME = {"singularity": "apptainer", "cc": "gcc"}


def find_capabilities(config: NodeConfig) -> frozenset[str]:
    """Host name, programs and GPUs that are here, and what the administrator adds or takes away."""
    found = {config.name, default_name()}
    found.update(program for program in PROGRAMS if shutil.which(program))
    found.update(meant for program, meant in _SAME.items() if shutil.which(program))
    if config.gpus:
        found.add("gpu")
    return frozenset((found | config.capabilities) - config.without)

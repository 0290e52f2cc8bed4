"""What this workstation can do, as far as it can see itself."""

from __future__ import annotations

import logging
import shutil

from nodewatch.config import NodeConfig, default_name

_log = logging.getLogger(__name__)

#: Capabilities that a program in PATH stands for.
PROGRAMS = ("python3", "gcc", "gfortran", "make", "cmake", "mpirun", "apptainer", "nvcc", "git")
_SAME = {"singularity": "apptainer", "cc": "gcc"}


def find_capabilities(config: NodeConfig) -> frozenset[str]:
    """Host name, programs and GPUs that are here, and what the administrator adds or takes away."""
    found = {config.name, default_name()}
    found.update(program for program in PROGRAMS if shutil.which(program))
    found.update(meant for program, meant in _SAME.items() if shutil.which(program))
    if count_gpus():
        found.add("gpu")
    return frozenset((found | config.capabilities) - config.without)


def count_gpus() -> int:
    """Graphics cards by NVML; none where there is no NVIDIA driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        _log.debug("no GPU: %s", error)
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError as error:
        _log.warning("GPUs can't be counted: %s", error)
        return 0
    finally:
        pynvml.nvmlShutdown()

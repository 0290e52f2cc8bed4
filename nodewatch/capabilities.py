"""What this workstation can do, as far as it can see itself."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass

from distribute_compute_config.container import CAPABILITY
from nodewatch.config import NodeConfig, default_name
from nodewatch.engine import EngineUnusable, find_engine, try_engine

#: Capabilities that a program in PATH stands for.
PROGRAMS = ("python3", "gcc", "gfortran", "make", "cmake", "mpirun", "nvcc", "git")
_SAME = {"cc": "gcc"}


@dataclass(frozen=True, slots=True)
class Abilities:
    """The capabilities of a node; ``unusable`` is what is here and can't be used."""

    capabilities: frozenset[str]
    unusable: EngineUnusable | None = None

    @property
    def trouble(self) -> str:
        """Why it can't be used, in one line; empty if all can."""
        return self.unusable.line if self.unusable else ""


def find_abilities(config: NodeConfig) -> Abilities:
    """Host name, architecture, programs and GPUs here, and what the administrator adds or takes away."""
    found = {config.name, default_name(), platform.machine()}
    found.update(program for program in PROGRAMS if shutil.which(program))
    found.update(meant for program, meant in _SAME.items() if shutil.which(program))
    if config.gpus:
        found.add("gpu")
    unusable = None
    engine = None if CAPABILITY in config.without else find_engine()
    if engine:
        try:
            try_engine(engine)
            found.add(CAPABILITY)
        except EngineUnusable as error:
            unusable = error
    return Abilities(frozenset((found | config.capabilities) - config.without), unusable)

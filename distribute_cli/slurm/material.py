"""What an export is planned from: contents of inputs, and who makes it when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distribute_compute_config.sweeps import Values
from spoold.records import Input


@dataclass(frozen=True, slots=True)
class Filled:
    """What a template becomes."""

    entry: Input
    content: bytes


@dataclass(frozen=True, slots=True)
class Material:
    """What a job file's inputs hold: by path, and of templates by path and values.

    ``architecture`` is its image's, as ``uname -m`` says it.
    """

    contents: Mapping[str, Input]
    filled: Mapping[tuple[str, Values], Filled] = field(default_factory=dict)
    architecture: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who exports when (Unix seconds), with which version; ``runner`` has the texts of its modules."""

    submitter: str
    uid: int
    now: float
    version: str
    runner: Mapping[str, str]

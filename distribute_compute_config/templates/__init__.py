"""A job file of each kind to start from; each loads as it stands."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distribute_compute_config.models import Kind


def template(kind: Kind) -> str:
    """The text of a commented job file of that kind."""
    return resources.files(__name__).joinpath(f"{kind.value}.yaml").read_text(encoding="utf-8")

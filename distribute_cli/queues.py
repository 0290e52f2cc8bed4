"""The option that says which cluster's queue a command works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def queue_option(function: F) -> F:
    """Adds ``--queue``, passed as ``queue``; None: the one that is found on this machine."""
    option = click.option(
        "--queue",
        metavar="QUEUE",
        help="slurm, torque, local or distribute (else CLUSTER_QUEUE, the config file, or what is here).",
    )
    return option(function)

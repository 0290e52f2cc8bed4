"""Which spool a subcommand works on: --spool before or after it, DISTRIBUTE_SPOOL, or the config file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from spoold.spool import Spool

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE = "DISTRIBUTE_SPOOL"
_META = "distribute.spool"


def spool_option(function: F) -> F:
    """Adds ``--spool PATH``; nothing is passed to the function, ``current_spool`` knows it."""
    option = click.option(
        "--spool",
        metavar="PATH",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_remember,
        help=f"The spool's folder (else {VARIABLE}, else the config file).",
    )
    return option(function)


def _remember(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    # `meta` is shared between a group and its subcommand; the one typed last wins.
    if value is not None:
        context.meta[_META] = value


def chosen_spool() -> Path:
    """The path of the spool to use, whether there is one or not. Raises NoSpool if nothing names one."""
    from distribute_cli.config import config_path, read_config
    from spoold.spool import NoSpool

    typed: Path | None = click.get_current_context().meta.get(_META)
    if typed is not None:
        return typed
    if variable := os.environ.get(VARIABLE):
        return Path(variable)
    configured = read_config(config_path()).spool
    if configured is None:
        raise NoSpool(
            "no spool is set",
            f"there is no --spool, no {VARIABLE}, and no {config_path()} that names one",
            f"type: export {VARIABLE}=/path/to/the/spool\nor make one: distribute init /path/to/a/new/folder",
        )
    return configured


def current_spool(whole: bool = True) -> Spool:
    """The open spool that this command works on; if not ``whole``, folders may be missing. Raises NoSpool."""
    from spoold.spool import open_spool

    return open_spool(chosen_spool(), whole=whole)


def known_jobs_max() -> int:
    """The most jobs that a batch may have: by the spool that is named, or as usual where none can be read."""
    from distribute_compute_config.errors import DistributeError
    from spoold.spool import Settings

    try:
        return current_spool().settings.max_jobs
    except (DistributeError, OSError):
        return Settings().max_jobs

"""Which spool a subcommand works on: --spool before or after it, DISTRIBUTE_SPOOL, or the config file."""

from __future__ import annotations

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
    from spoold.user_config import choose_spool

    return choose_spool(click.get_current_context().meta.get(_META), "--spool")


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

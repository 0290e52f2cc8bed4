"""`distribute init SPOOL`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distribute_cli.output import say, tell
from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from spoold.spool import Settings, Spool

_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("spool", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--heartbeat", type=_SECONDS, metavar="SECONDS", help="How often a daemon says that it lives. [15]"
)
@click.option(
    "--lease", type=_SECONDS, metavar="SECONDS", help="Silent for so long, a node is given up. [180]"
)
@click.option("--settle", type=_SECONDS, metavar="SECONDS", help="A dropped file rests so long. [2]")
@click.option("--rescan", type=_SECONDS, metavar="SECONDS", help="How often an idle daemon looks. [1.5]")
@click.option("--max-jobs", type=click.IntRange(min=1), metavar="N", help="The most jobs of a batch. [10000]")
@click.option(
    "--retry-wait",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="A job that failed rests so long before it is tried again. [10]",
)
def command(spool: Path, **given: float | int | None) -> None:
    """Make a spool in SPOOL, a folder that is new or empty.

    Type it as the service user: who makes a spool owns it.
    """
    if os.geteuid() == 0:
        tell("warning: you are root, so root will own this spool; a lab has a service user of its own")
    made = _make(spool, _settings(given))
    say(f"made a spool in {made.root}")
    for line in describe_next_steps(made.root):
        say(line)


def _settings(given: dict[str, float | int | None]) -> Settings:
    from spoold.spool import Settings

    names = {name: f"{name}_s" for name in ("heartbeat", "lease", "settle", "rescan", "retry_wait")}
    chosen = {names.get(name, name): value for name, value in given.items() if value is not None}
    settings = Settings(**chosen)  # type: ignore[arg-type]
    if settings.heartbeat_s >= settings.lease_s:
        raise click.UsageError(
            f"a heartbeat every {settings.heartbeat_s:g} s can't keep a lease of {settings.lease_s:g} s; "
            "make --lease some ten times --heartbeat"
        )
    return settings


def _make(folder: Path, settings: Settings) -> Spool:
    from spoold.spool import init_spool

    try:
        return init_spool(folder, settings)
    except OSError as error:
        raise DistributeError(
            f"no spool can be made in {folder}",
            f"{error.filename}: {error.strerror}",
            "give a folder that is new or empty and that you may write to",
        ) from error


def describe_next_steps(root: Path) -> list[str]:
    """What to type after a spool was made, a line each."""
    from spoold.user_config import config_path

    quoted = shlex.quote(str(root))
    return [
        "",
        "next, on each workstation:",
        f"  nodewatch --spool {quoted} --scratch /var/tmp/nodewatch",
        "and for everybody who submits:",
        f"  export DISTRIBUTE_SPOOL={quoted}",
        f"  (or for good: write the line `spool: {root}` into {config_path()})",
        "  distribute template python > jobs.yaml",
        "  distribute add jobs.yaml",
    ]

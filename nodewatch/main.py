"""``nodewatch``: the daemon of one workstation."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from nodewatch.config import NodeConfig
    from nodewatch.guard import Guard

_ASIDE = "nodewatch.aside"
_STDIN = 0
_FOLDER = click.Path(file_okay=False, path_type=Path)


def _read_config(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    from nodewatch.config import BadConfig, config_paths, read_config_file
    from nodewatch.owner.settings import read_settings

    path = value or next((p for p in config_paths() if p.exists()), None)
    values = read_config_file(path) if path else {}
    try:
        # What has no flag.
        context.meta[_ASIDE] = read_settings(values)
    except DistributeError as error:
        raise BadConfig(f"{path}: {error.what}", error.why, error.hint) from error
    context.default_map = {**(context.default_map or {}), **values}


@click.command(name="nodewatch", context_settings={"auto_envvar_prefix": "NODEWATCH"})
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path, exists=True),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="nodewatch.yaml; by default in the user's configuration folder or /etc/distribute.",
)
# Not a `click.Path`, which looks at it: the spool may hang.
@click.option(
    "--spool",
    envvar="DISTRIBUTE_SPOOL",
    required=True,
    type=Path,
    metavar="DIRECTORY",
    help="The shared spool.",
)
@click.option("--name", help="This node's name; by default the host's.")
@click.option("--scratch", type=_FOLDER, help="A folder on a local disk for running jobs.")
@click.option(
    "--cores", type=click.IntRange(min=1), help="Cores of the machine; by default its physical ones."
)
@click.option("--memory", help="Memory that jobs may use, such as 60G; by default all.")
@click.option("--gpus", type=click.IntRange(min=0), help="GPUs; by default those that NVML sees.")
@click.option("--reserve", default="", help="Kept for the machine's owner, such as cores=2,memory=4G.")
@click.option("--capability", "capabilities", multiple=True, help="What this node can do; repeatable.")
@click.option("--without", multiple=True, help="A capability that was found and shall not count; repeatable.")
@click.option(
    "--cache-size", default="20G", show_default=True, help="Most that the cache of inputs may take."
)
@click.option("--min-free", default="200M", show_default=True, help="Take no job if scratch has less left.")
@click.option("--steward/--no-steward", default=True, show_default=True, help="May also do steward's work.")
@click.option(
    "--notices/--no-notices", default=True, show_default=True, help="May tell people, by notify.yaml."
)
@click.option("--cgroups/--no-cgroups", default=True, show_default=True, help="Limit jobs by control groups.")
@click.option(
    "--pause",
    type=click.Choice(["stop", "evict"]),
    default="stop",
    show_default=True,
    help="What a pause does to jobs: they stand still, or are ended for other nodes to do them.",
)
@click.option(
    "--evict-grace", default="30s", show_default=True, help="Most that a job gets to write a checkpoint."
)
@click.option("--idle-exit", metavar="DURATION", help="End when there was nothing to do for so long.")
@click.option("--leash", is_flag=True, help="End, and end the jobs too, when standard input is closed.")
@click.option("--stop", is_flag=True, help="End the daemon that runs with this scratch folder.")
@click.option("--requeue", is_flag=True, help="With --stop: end its jobs too, for other nodes to do them.")
@click.option("--verbose", is_flag=True, help="Tell more.")
@click.version_option(package_name="distribute-lab")
def command(spool: Path, verbose: bool, leash: bool, stop: bool, requeue: bool, **values: Any) -> None:
    """Take jobs from SPOOL that this workstation can run, run them, and archive their results.

    A SIGTERM, or --stop, ends the daemon and leaves a running job alone: the next daemon goes on with it.
    """
    if requeue and not stop:
        raise click.UsageError("--requeue says how to --stop; use both")
    if leash and stop:
        raise click.UsageError("--leash is for a daemon that works, and --stop ends one: give one of them")
    config = replace(_make_config(spool, **values), aside=click.get_current_context().meta[_ASIDE])
    if stop:
        from nodewatch.stopping import end_daemon, is_tidy

        ended = end_daemon(config.scratch, requeue, lambda text: click.echo(text, err=True))
        # It gives nothing back if it was told while it waited for its lease, or was ending already.
        if not requeue or (ended and is_tidy(config.scratch)):
            return
    _work(config, verbose, requeue, leash)


def _work(config: NodeConfig, verbose: bool, requeue: bool, leash: bool) -> None:
    from nodewatch.guard import Guard
    from spoold.main import crash_loudly, set_up_logging
    from spoold.spool import open_spool

    set_up_logging(verbose)
    crash_loudly()
    if not config.scratch.exists():
        # Nothing runs here: no folder is made for a spool that is none.
        open_spool(config.spool)
    with Guard(config) as guard:
        left_running = _work_on(guard, config, requeue, leash)
    if left_running:
        # Not by sys.exit: the lease's finaliser would remove its file, and others would requeue the job.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(0)


def _work_on(guard: Guard, config: NodeConfig, requeue: bool, leash: bool) -> bool:
    """Until told to stop; whether something goes on without us."""
    from nodewatch.daemon import Node
    from nodewatch.orders import Orders, end_with_input
    from nodewatch.stopping import REQUEUE_SIGNAL
    from spoold.leases import require_agreement
    from spoold.main import end_on_signal
    from spoold.spool import open_spool

    opened = open_spool(config.spool)
    if os.geteuid() == 0:
        text = "this daemon is root, so everybody's jobs run as root: start it as the service user"
        click.echo(f"warning: {text}", err=True)
    orders = Orders(Event(), Event(), Event())
    end_on_signal(orders.stop, orders.wake)
    end_on_signal(orders.requeue, orders.stop, orders.wake, signals=(REQUEUE_SIGNAL,))
    if requeue:
        # No daemon runs here; what an earlier one left is given back by one that takes nothing new.
        orders.requeue.set()
    if leash:
        end_with_input(_STDIN, orders)
    require_agreement(opened, orders.stop, opened.layout.node(config.name).lease)
    return Node(opened, config, orders, guard).run()


def _make_config(
    spool: Path,
    name: str | None,
    scratch: Path | None,
    cores: int | None,
    memory: str | None,
    gpus: int | None,
    reserve: str,
    capabilities: tuple[str, ...],
    without: tuple[str, ...],
    cache_size: str,
    min_free: str,
    steward: bool,
    notices: bool,
    cgroups: bool,
    pause: str,
    evict_grace: str,
    idle_exit: str | None,
) -> NodeConfig:
    from distribute_compute_config.quantities import parse_duration, parse_memory
    from nodewatch.config import (
        BadConfig,
        NodeConfig,
        check_names,
        default_name,
        default_scratch,
        measure,
    )

    name = name or default_name()
    check_names(name, frozenset(capabilities))
    try:
        sizes = parse_memory(cache_size), parse_memory(min_free)
        memory_bytes = parse_memory(memory) if memory else None
    except ValueError as error:
        raise BadConfig("--cache-size, --min-free or --memory can't be read", str(error)) from error
    try:
        evict_grace_s = parse_duration(evict_grace)
        idle_exit_s = None if idle_exit is None else parse_duration(idle_exit)
    except ValueError as error:
        raise BadConfig("--evict-grace or --idle-exit can't be read", str(error)) from error
    size, reserved_cores = measure(cores, memory_bytes, gpus, reserve)
    return NodeConfig(
        spool,
        name,
        (scratch or default_scratch(name)).absolute(),
        size.cores,
        size.memory_bytes,
        size.gpus,
        reserved_cores,
        frozenset(capabilities),
        frozenset(without),
        *sizes,
        steward,
        cgroups,
        evict=pause == "evict",
        evict_grace_s=evict_grace_s,
        idle_exit_s=idle_exit_s,
        notices=notices,
    )


def main() -> None:
    """The entry point: errors become one message and an exit code."""
    try:
        command()
    except DistributeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        # The spool or the scratch, gone or closed to us: nothing that a traceback would explain.
        click.echo(f"error: {error}", err=True)
        sys.exit(1)

"""`distribute demo`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distribute_cli.output import say, tell
from distribute_cli.signals import end_on_signals

if TYPE_CHECKING:
    from spoold.local_node import LocalNode


@click.command()
@click.option(
    "--dir",
    "folder",
    default="demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the spool, the nodes' scratch folders and the results.",
)
@click.option("--keep", is_flag=True, help="Leave the two nodes running, to try things.")
def command(folder: Path, keep: bool) -> None:
    """Run an example on a cluster of this machine alone: a spool, two nodes, three simulations.

    It needs a C compiler and less than a minute.
    """
    from distribute_cli.demo_lab import find_example, make_spool, require_compiler, running_nodes

    end_on_signals()
    started_s = time.monotonic()
    require_compiler()
    jobfile = find_example()
    private = make_spool(folder)
    spool = private.spool
    tell(f"a spool and two nodes in {folder}")
    results = folder / "results"
    with running_nodes(private, keep) as nodes:
        try:
            _type(spool.root, "nodes")
            _type(spool.root, "add", str(jobfile), "--wait")
            _type(spool.root, "status", "examples/cavity")
            _type(spool.root, "pull", str(jobfile), "--save-dir", str(results))
        except KeyboardInterrupt:
            tell("stopping the nodes and their jobs")
            raise
    _tell_plots(results, time.monotonic() - started_s)
    _tell_leftovers(spool.root, nodes if keep else [])


def _type(spool: Path, *words: str) -> None:
    """Show a command as one would type it, and run it. Raises DemoFailed."""
    from distribute_cli.demo_lab import DemoFailed

    typed = shlex.join(["distribute", *words])
    tell(f"\n$ {typed}")
    environment = {**os.environ, "DISTRIBUTE_SPOOL": str(spool)}
    ended = subprocess.run([sys.executable, "-m", "distribute_cli", *words], env=environment)
    if ended.returncode:
        raise DemoFailed(
            f"{typed} failed", f"exit code {ended.returncode}", f"the nodes' logs: {spool.parent}/node-*.log"
        )


def _tell_plots(results: Path, took_s: float) -> None:
    from distribute_cli.demo_lab import DemoFailed

    plots = sorted(results.rglob("cavity.svg"))
    if not plots:
        raise DemoFailed("no plot came back", f"none is in {results}", "look at the jobs' output there")
    say(f"\nall of it took {took_s:.0f} s; the plots, for a browser:")
    for plot in plots:
        say(f"  {plot}")


def _name_program() -> Path:
    """What to type for this command: its name where that is found, else its path."""
    ours = Path(sys.executable).with_name("distribute")
    found = shutil.which("distribute")
    if found is not None and Path(found).resolve() == ours.resolve():
        return Path("distribute")
    return ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours


def _tell_leftovers(spool: Path, nodes: list[LocalNode]) -> None:
    say("\nlook around in the spool, it is plain files:")
    say(f"  ls {spool}/finished/examples/cavity/done")
    say(f"  {_name_program()} --spool {spool} status examples/cavity")
    if nodes:
        say("the two nodes go on; end them with:")
        say(f"  kill {' '.join(str(node.pid) for node in nodes)}")

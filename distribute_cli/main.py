"""The `distribute` command: its subcommands, its options, its exit codes."""

from __future__ import annotations

import click

from distribute_cli.context import spool_option
from distribute_cli.exit_codes import MEANINGS
from distribute_cli.lazy import LazyGroup

COMMANDS = {
    "init": "Make a spool in a folder.",
    "template": "Print a job file to start from.",
    "schema": "Print the JSON Schema of job files, for editors.",
    "check": "Find every mistake in job files.",
    "run": "Run a batch on this machine alone.",
    "add": "Submit a batch.",
    "status": "Show batches, or the jobs of one.",
    "nodes": "Show the workstations and what they do.",
    "explain": "Say why a batch or a job is waiting.",
    "logs": "Show what a job prints, live or afterwards.",
    "kill": "Cancel a batch or a job.",
    "retry": "Run jobs again that failed or were cancelled.",
    "pause": "Pause the jobs on a workstation.",
    "resume": "End a pause.",
    "drain": "Let a workstation take no more jobs.",
    "pull": "Fetch results.",
    "slurm": "Make a folder of a batch that Slurm runs.",
    "verify": "Compare archived results with their checksums.",
    "fsck": "Find, and repair, what isn't legal in a spool.",
    "notify": "Show who is still to be told that a batch has ended.",
    "queue": "Show the jobs of a cluster's queue.",
    "wait": "Wait for jobs of a cluster's queue.",
    "submit-script": "Submit job scripts to a cluster's queue.",
    "clean": "Delete the files that jobs of a cluster left.",
    "profile": "Keep keyword arguments of jobs under a name.",
    "keywords": "Show the keyword arguments of jobs.",
    "demo": "Run an example on a cluster of this machine alone.",
}

EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {text}" for code, text in MEANINGS.items())


@click.command(
    cls=LazyGroup,
    package="distribute_cli.commands",
    table=COMMANDS,
    name="distribute",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)
@spool_option
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(None, "--version", package_name="distribute-lab", message="distribute %(version)s")
def cli(debug: bool) -> None:
    """One shared directory and a handful of workstations: a cluster.

    The spool is the folder given by --spool, else by the variable DISTRIBUTE_SPOOL, else by `spool:` in
    the file that `distribute init` names.
    """


def main() -> None:
    """The entry point of the `distribute` script."""
    cli(prog_name="distribute")

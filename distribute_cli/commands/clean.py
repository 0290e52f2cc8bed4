"""`distribute clean [FOLDER]`."""

from __future__ import annotations

import click

from distribute_cli.output import clean as printable
from distribute_cli.output import say, tell


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@click.option(
    "--suffix", metavar="TEXT", help="What the job files' names end in. [cluster, or the config file's]"
)
@click.option("--yes", is_flag=True, help="Don't ask.")
def command(folder: str, suffix: str | None, yes: bool) -> None:
    """Delete the files that jobs of a cluster left in FOLDER (here, without one).

    Only files called as the Python package `cluster` calls them: NAME.ID.cluster, with .out, .err and .exit.
    """
    from cluster.cleaning import clean_dir
    from cluster.settings import get_option

    removed = clean_dir(folder, suffix or get_option("jobs", "suffix"), confirm=yes, ask=_ask)
    for path in removed:
        tell(f"deleted {printable(str(path))}")
    say(f"deleted {len(removed)}")


def _ask(question: str) -> bool:
    return click.confirm(question, err=True)

"""`distribute template KIND`."""

from __future__ import annotations

from pathlib import Path

import click

from distribute_cli.output import tell
from distribute_compute_config.errors import DistributeError


@click.command()
@click.argument("kind", type=click.Choice(["python", "command", "apptainer"]))
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this new file."
)
def command(kind: str, output: Path | None) -> None:
    """Print a commented job file of that KIND to start from."""
    from distribute_compute_config import Kind, template

    text = template(Kind(kind))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with open(output, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise DistributeError(f"{output} is there already", "", "give another name to --output") from error
    tell(f"wrote {output}; next: distribute check {output}")

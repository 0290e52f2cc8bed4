"""`distribute schema`."""

from __future__ import annotations

import click

from distribute_cli.output import print_json


@click.command()
def command() -> None:
    """Print the JSON Schema of job files, with which editors complete and check them."""
    from distribute_compute_config import json_schema

    print_json(json_schema())

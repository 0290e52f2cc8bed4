"""`distribute keywords`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distribute_cli.output import Line, Part, Table, json_option, print_json, print_parts

if TYPE_CHECKING:
    from cluster.options import Keyword


@click.command()
@click.argument("text", required=False)
@click.option(
    "--queue",
    type=click.Choice(["slurm", "torque", "local", "distribute"]),
    help="Only what means something to this queue.",
)
@json_option
def command(text: str | None, queue: str | None, as_json: bool) -> None:
    """Show the keyword arguments of jobs, as the Python package `cluster` takes them.

    With TEXT, only those in whose name, synonyms or description it is found.
    """
    from cluster.options import list_keywords

    found = [keyword for keyword in list_keywords(queue) if text is None or _tells_of(keyword, text)]
    if not found and not as_json:
        raise _nothing_found(text or "")
    if as_json:
        print_json({"keywords": found})
    else:
        print_parts(_draw(found))


def _tells_of(keyword: Keyword, text: str) -> bool:
    return any(text.lower() in word.lower() for word in (keyword.name, keyword.help, *keyword.synonyms))


def _nothing_found(text: str) -> Exception:
    from cluster.options import ALLOWED_KWDS, SYNONYMS
    from distribute_cli.errors import NotFound, did_you_mean

    hint = did_you_mean(text, [*ALLOWED_KWDS, *SYNONYMS]) or "see all of them with: distribute keywords"
    return NotFound(f"no keyword tells of {text!r}", "", hint)


def _draw(keywords: list[Keyword]) -> list[Part]:
    from cluster.options.helping import COLUMNS, row

    parts: list[Part] = []
    for title in dict.fromkeys(keyword.group for keyword in keywords):
        rows = [row(keyword) for keyword in keywords if keyword.group == title]
        blank = [Line("")] if parts else []
        parts += [*blank, Line(title, style="bold"), Table([name.upper() for name in COLUMNS], rows)]
    return parts

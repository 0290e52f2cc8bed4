"""Everything that commands print: tables and JSON on standard output, progress on standard error."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.progress import Progress
    from rich.table import Table as RichTable
    from rich.text import Text

F = TypeVar("F", bound=Callable[..., Any])

#: rich takes half a millisecond a row; nobody looks at longer tables for their beauty.
_DRAWN_ROWS_MAX = 1000
#: One long name doesn't widen every line of a plain table further than this.
_PADDED_MAX = 60


def json_option(function: F) -> F:
    """Adds ``--json``, passed as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/json.md).")(function)


def print_json(value: object) -> None:
    """A dataclass (or a list of them) as JSON, its fields in their order."""
    import json

    click.echo(json.dumps(value, default=_plain, indent=2))


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"not a value for JSON: {value!r}")


def clean(text: str) -> str:
    """``text`` on one line and without control characters: what others wrote must not steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str = "") -> None:
    """One line on standard output."""
    click.echo(text)


def tell(text: str) -> None:
    """One line on standard error, for people: what is awaited, what was skipped."""
    click.echo(text, err=True)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; ``style`` is rich's, and shows on a terminal only."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of texts; those named in ``right`` are aligned to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()


Part = Line | Table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on standard output; on anything but a terminal each row is one whole line."""
    print_parts([Table(columns, list(rows), right)])


def print_parts(parts: Sequence[Part]) -> None:
    """Lines and tables on standard output, drawn by rich on a terminal and plain elsewhere."""
    rows = sum(len(part.rows) for part in parts if isinstance(part, Table))
    if not sys.stdout.isatty() or rows > _DRAWN_ROWS_MAX:
        for part in parts:
            click.echo("\n".join(_list_plain(part)))
        return
    console = make_console()
    with console.capture() as captured:
        console.print(draw(parts))
    # Not by the console itself: rich answers a closed pipe by ending the program.
    click.echo(captured.get(), nl=False)


def _list_plain(part: Part) -> Iterator[str]:
    """Its lines, as wide as they are and without spaces at their ends."""
    if isinstance(part, Line):
        yield clean(part.text)
        return
    cells = [list(part.columns), *([clean(cell) for cell in row] for row in part.rows)]
    widths = [min(max(map(len, column)), _PADDED_MAX) for column in zip(*cells, strict=True)]
    aligns = [">" if name in part.right else "<" for name in part.columns]
    form = "  ".join(f"{{:{align}{width}}}" for align, width in zip(aligns, widths, strict=True))
    for row in cells:
        yield form.format(*row).rstrip()


def draw(parts: Sequence[Part]) -> Group:
    """For rich; nothing in it is read as markup, and what is too wide is folded, never cut."""
    from rich.console import Group

    return Group(*map(_draw_part, parts))


def _draw_part(part: Part) -> RichTable | Text:
    from rich.table import Table as RichTable
    from rich.text import Text

    if isinstance(part, Line):
        return Text(clean(part.text), style=part.style, overflow="fold")
    table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in part.columns:
        # Numbers stay whole on a narrow terminal; texts are folded.
        number = name in part.right
        width = len(name) if number else None
        table.add_column(name, justify="right" if number else "left", overflow="fold", min_width=width)
    for row in part.rows:
        table.add_row(*[Text(clean(cell)) for cell in row])
    return table


def make_console() -> Console:
    """A console on standard output, without markup or highlighting."""
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def make_progress(unit_is_bytes: bool = True) -> Progress:
    """A progress bar on standard error, drawn only if that is a terminal; use it with ``with``."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    amount = DownloadColumn(binary_units=True) if unit_is_bytes else MofNCompleteColumn()
    console = Console(file=sys.stderr)
    text = TextColumn("{task.description}", markup=False)
    return Progress(text, BarColumn(), amount, Remaining(), console=console, disable=not console.is_terminal)

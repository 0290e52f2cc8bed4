"""The keyword arguments told to people: as text, as tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

from cluster.modes import Mode, read_mode
from cluster.options.groups import (
    ALLOWED_KWDS,
    GROUPS,
    NORMAL_KWDS,
    SLURM_KWDS,
    SYNONYMS,
    TORQUE_KWDS,
    Options,
)

_OF_MODE: dict[Mode, Options] = {
    Mode.SLURM: SLURM_KWDS,
    Mode.TORQUE: TORQUE_KWDS,
    Mode.LOCAL: NORMAL_KWDS,
    Mode.DISTRIBUTE: NORMAL_KWDS,
}
COLUMNS = ("Option", "Description", "Type", "Default", "Slurm", "Torque", "Synonyms")


@dataclass(frozen=True, slots=True)
class Keyword:
    """An option as it is shown; a form that it doesn't have is empty."""

    name: str
    help: str
    type: str
    default: str
    slurm: str
    torque: str
    synonyms: tuple[str, ...]
    group: str


def list_keywords(qtype: Mode | str | None = None) -> list[Keyword]:
    """All options by group, or those that mean something to one queue. Raises ClusterError for another."""
    known = ALLOWED_KWDS if qtype is None else _OF_MODE[read_mode(str(qtype))]
    return [
        Keyword(
            option.name,
            option.help,
            option.kind.python,
            "" if option.default is None else str(option.default),
            option.slurm or "",
            option.torque or "",
            tuple(word for word, name in SYNONYMS.items() if name == option.name),
            title,
        )
        for title, group in GROUPS
        for option in group.values()
        if option.name in known
    ]


@overload
def option_help(mode: Literal["list"], qtype: Mode | str | None = None) -> list[str]: ...
@overload
def option_help(
    mode: Literal["string", "table"] = "string",
    qtype: Mode | str | None = None,
    tablefmt: Literal["simple", "github"] = "simple",
) -> str: ...
def option_help(
    mode: str = "string", qtype: Mode | str | None = None, tablefmt: str = "simple"
) -> str | list[str]:
    """Every keyword argument: ``string`` for reading, ``table`` for overview, ``list`` only the names.

    ``qtype`` leaves those that mean something to that queue. ``tablefmt`` ``github`` is Markdown.
    Raises ValueError for another ``mode`` or ``tablefmt``, ClusterError for a queue that doesn't exist.
    """
    if mode not in ("string", "table", "list") or tablefmt not in ("simple", "github"):
        raise ValueError(
            f"option_help has no mode {mode!r} with {tablefmt!r}: string, table or list; simple or github"
        )
    keywords = list_keywords(qtype)
    if mode == "list":
        return [keyword.name for keyword in keywords]
    parts = []
    for title in dict.fromkeys(keyword.group for keyword in keywords):
        group = [keyword for keyword in keywords if keyword.group == title]
        if mode == "string":
            parts.append(f"{title}:\n{_spell(group)}")
        else:
            heading = f"### {title}\n\n" if tablefmt == "github" else f"{title}\n\n"
            parts.append(heading + draw_table(COLUMNS, [row(one) for one in group], tablefmt))
    return "\n\n".join(parts) + "\n"


def _spell(keywords: Sequence[Keyword]) -> str:
    width = max(len(keyword.name) for keyword in keywords) + 2
    lines = []
    for one in keywords:
        also = f"; also: {', '.join(one.synonyms)}" if one.synonyms else ""
        lines.append(f"  {one.name + ':':<{width}}{one.help}")
        lines.append(f"  {'':<{width}}Type: {one.type}; Default: {one.default or None}{also}")
    return "\n".join(lines)


def row(keyword: Keyword) -> tuple[str, ...]:
    """Its cells, in the order of COLUMNS."""
    return (
        keyword.name,
        keyword.help,
        keyword.type,
        keyword.default,
        keyword.slurm,
        keyword.torque,
        ", ".join(keyword.synonyms),
    )


def draw_table(columns: Sequence[str], rows: Sequence[Sequence[str]], tablefmt: str) -> str:
    """Aligned columns with a line below their names, or a table in Markdown, where forms are code."""
    if tablefmt == "github":
        drawn = [
            columns,
            ["---"] * len(columns),
            *([_mark(*cell) for cell in zip(columns, r, strict=True)] for r in rows),
        ]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in drawn)
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [columns, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    )


def _mark(column: str, cell: str) -> str:
    if not cell or column in ("Description", "Type"):
        return cell
    return ", ".join(f"`{part}`" for part in (cell.split(", ") if column == "Synonyms" else [cell]))

"""Messages with levels, time stamps and, on a terminal, colours.

    from cluster import logme
    logme.MIN_LEVEL = "debug"
    logme.log("queue is slurm", "debug")

Messages go through the standard logger ``cluster``: a program that sets up ``logging`` gets them there.
Otherwise they are printed to standard error.
"""

from __future__ import annotations

import logging
import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


class Level(IntEnum):
    """The levels, from what hardly anybody wants to know to what everybody must; numbered as in logging."""

    VERBOSE = 5
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    CRITICAL = 50


#: What is below isn't told. May be changed at any time, also to a name: ``logme.MIN_LEVEL = "warn"``.
MIN_LEVEL: Level | str | int = Level.INFO

_SYNONYMS = {"normal": "info", "warning": "warn"}
_STYLES = {
    Level.VERBOSE: "dim",
    Level.DEBUG: "cyan",
    Level.INFO: "green",
    Level.WARN: "yellow",
    Level.ERROR: "red",
    Level.CRITICAL: "bold white on red",
}
_LOGGER = logging.getLogger("cluster")
_FORM = logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)s --> %(message)s", "%Y-%m-%d %H:%M:%S")


def log(
    message: object,
    level: Level | str | int = Level.INFO,
    logfile: str | os.PathLike[str] | TextIO | logging.Logger | None = None,
) -> None:
    """Tell ``message``, unless ``level`` is below MIN_LEVEL.

    ``logfile``, a path to append to, an open file or a logger, takes it instead of the console.
    Raises ValueError for a level that isn't one, and OSError.
    """
    number = read_level(level)
    if number < read_level(MIN_LEVEL):
        return
    record = _LOGGER.makeRecord(_LOGGER.name, number, "", 0, str(message), (), None)
    record.levelname = number.name
    if logfile is None:
        _emit(record)
    elif isinstance(logfile, logging.Logger):
        logfile.handle(record)
    elif isinstance(logfile, str | os.PathLike):
        with open(logfile, "a", encoding="utf-8") as file:
            file.write(f"{_FORM.format(record)}\n")
    else:
        logfile.write(f"{_FORM.format(record)}\n")


def read_level(level: Level | str | int) -> Level:
    """A level by its name or number. Raises ValueError naming the levels."""
    try:
        if isinstance(level, str):
            name = level.lower()
            return Level[_SYNONYMS.get(name, name).upper()]
        return Level(level)
    except (KeyError, ValueError):
        names = ", ".join(one.name.lower() for one in Level)
        raise ValueError(f"{level!r} is not a level; there are {names}") from None


def _emit(record: logging.LogRecord) -> None:
    if _LOGGER.hasHandlers():
        _LOGGER.handle(record)
    else:
        _CONSOLE.handle(record)


class _ToConsole(logging.Handler):
    """To what is standard error at that moment, in colours if it is a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is None:  # a program without a console
            return
        line = _printable(_FORM.format(record))
        if not sys.stderr.isatty():
            print(line, file=sys.stderr)  # noqa: T201 - the console is what this module is for
        else:
            _draw(line, Level(record.levelno))


_CONSOLE = _ToConsole()


def _draw(line: str, level: Level) -> None:
    from rich.console import Console
    from rich.text import Text

    console: Console = Console(file=sys.stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)
    text = Text(line)
    start = line.index(level.name)
    text.stylize(_STYLES[level], start, start + len(level.name))
    text.stylize("dim", 0, start)
    console.print(text)


def _printable(text: str) -> str:
    """Lines stay; other control characters, which could steer a terminal, are spelled out."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)

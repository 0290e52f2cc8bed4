"""The text of a job file: directives of the queue, then a frame that runs the command and notes how it ended.

The command is one quoted word for ``bash -c``, so nothing in it can end the frame, and no directive can stand
in it: batch systems read those only above the first command. The exit code is written by rename, so a reader
finds all of it or nothing, whatever the batch system still knows of the job.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import check_command
from cluster.errors import ClusterError
from cluster.naming import FileKind, JobFiles

#: In a task of an array: its number, from 0, whatever the batch system calls that.
TASK_VARIABLE = "CLUSTER_TASK"

#: Stands for a task's number in a path, until it is said how that is found. No path has it.
_TASK_MARK = "\0"
_DIRECTIVE = re.compile(r"#(?:SBATCH|PBS) [^\n\r\0]*")
_FIRST_LINE_MAX = 256
_UNFIT = re.compile(r"[\\\x00-\x1f\x7f]")


class UnfitPath(ClusterError):
    """A path that a batch system can't be told."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a command. ``tasks`` is None, or how many an array has.

    ``redirects``: the job file itself opens its output files; else the batch system does.
    """

    files: JobFiles
    working: Path
    directives: Sequence[str] = ()
    modules: Sequence[str] = ()
    tasks: int | None = None
    redirects: bool = True


def check_path(path: Path) -> Path:
    """``path``, if a job's files may stand there. Raises UnfitPath."""
    if _UNFIT.search(str(path)):
        raise UnfitPath(
            f"no job can use {str(path)!r}",
            "batch systems can't be told a path with a backslash or a control character",
            "give another one: path='jobs'",
        )
    return path


def output_directives(files: JobFiles, tasks: int | None) -> list[str]:
    """For Slurm, which writes a job's output where we say, and its own remarks with it."""
    flags = {FileKind.OUT: "--output", FileKind.ERR: "--error"}
    return [f"#SBATCH {flag}={_quote_pattern(files, kind, tasks)}" for kind, flag in flags.items()]


def _quote_pattern(files: JobFiles, kind: FileKind, tasks: int | None) -> str:
    mark = None if tasks is None else _TASK_MARK
    text = str(files.written(kind, mark)).replace("%", "%%").replace('"', '\\"')
    return f'"{text}"'.replace(_TASK_MARK, "%a")


def render(command: str, frame: Frame) -> str:
    """The job file. Raises ClusterError for a directive that isn't one line, and for a command too long."""
    for line in frame.directives:
        if not _DIRECTIVE.fullmatch(line):
            raise ClusterError("the job file can't be written", f"this is no directive: {line!r}")
    check_command(command)
    lines = ["#!/bin/bash", *frame.directives, f"cd -- {shlex.quote(str(frame.working))} || exit"]
    if frame.tasks is not None:
        number = f"${{SLURM_ARRAY_TASK_ID-${{PBS_ARRAYID-${{PBS_ARRAY_INDEX-${{{TASK_VARIABLE}-}}}}}}}}"
        lines.append(f'export {TASK_VARIABLE}="{number}"')
    lines.append(f"mark={_quote_path(frame, FileKind.EXIT)}")
    if frame.redirects:
        lines.append(f"exec >{_quote_path(frame, FileKind.OUT)} 2>{_quote_path(frame, FileKind.ERR)}")
    return "\n".join([*lines, *_render_run(command, frame.modules)]) + "\n"


def _quote_path(frame: Frame, kind: FileKind) -> str:
    if frame.tasks is None:
        return shlex.quote(str(frame.files.written(kind)))
    before, after = str(frame.files.written(kind, _TASK_MARK)).rsplit(_TASK_MARK, 1)
    return f'{shlex.quote(before)}"${TASK_VARIABLE}"{shlex.quote(after) if after else ""}'


def read_interpreter(script: Path) -> list[str]:
    """The words that run a script, as its first line says, be it executable or not. Raises OSError."""
    with script.open("rb") as file:
        first = file.readline(_FIRST_LINE_MAX)
    said = first[2:].decode(errors="replace").split() if first.startswith(b"#!") else []
    return said or ["bash"]


def say_modules(modules: Sequence[str]) -> list[str]:
    """Shell commands, each to be followed by ``&&``, that load modules."""
    load = ["{ type module >/dev/null 2>&1 || . /etc/profile; true; }"] if modules else []
    return [*load, *(f"module load {shlex.quote(module)}" for module in modules)]


def _render_run(command: str, modules: Sequence[str]) -> list[str]:
    return [
        'rm -f -- "$mark"',
        " && ".join([*say_modules(modules), f"bash -c {shlex.quote(command)}"]),
        "code=$?",
        """printf '%d\\n' "$code" >"$mark.new" && mv -f -- "$mark.new" "$mark\"""",
        'exit "$code"',
    ]

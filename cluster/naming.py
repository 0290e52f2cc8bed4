"""How the files of a job are called: ``NAME.ID.cluster`` is what is submitted, its output stands beside it.

    NAME.ID.cluster            the job file
    NAME.ID.cluster.out        standard output           NAME.ID.cluster.3.out     of task 3 of an array
    NAME.ID.cluster.err        standard error
    NAME.ID.cluster.exit       the exit code, written by the job file when its command has ended
    NAME.ID.cluster.call       of a function: it, and what it is called with
    NAME.ID.cluster.result     what it returned or raised
    NAME.ID.cluster.files      a folder of the files that it returned

ID makes the name unique; it isn't the queue's number, which nobody knows before the file is written.
``cluster`` is the default of the option ``suffix``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cluster.errors import ClusterError

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_ID = r"[0-9a-f]{8}"


class FileKind(StrEnum):
    """What stands beside a job file, by the end of its name."""

    OUT = "out"
    ERR = "err"
    EXIT = "exit"
    CALL = "call"
    RESULT = "result"
    FILES = "files"


_BESIDE = rf"(?:(?:\.\d+)?\.(?:{'|'.join(FileKind)})(?:\.new)?)?"
SUFFIX = "cluster"


class BadJobName(ClusterError):
    """A name that a job can't have."""


def check_name(name: str) -> str:
    """``name``, if a job may be called so. Raises BadJobName."""
    if not re.fullmatch(_NAME, name, re.ASCII):
        raise BadJobName(
            f"no job can be called {name!r}",
            "a name has letters, digits, dots, underscores and hyphens, begins with a letter or a digit, "
            "and has at most 100 characters",
            "give another one: name='case_7'",
        )
    return name


def check_suffix(suffix: str) -> str:
    """``suffix``, if the names of job files may end so. Raises BadJobName."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", suffix, re.ASCII):
        why = "a suffix has letters, digits, underscores and hyphens, at most 32"
        raise BadJobName(f"no job file can end in {suffix!r}", why, "give another one: suffix='mine'")
    return suffix


def suggest_name(command: str) -> str:
    """A name for a job that runs ``command``: its program's, as far as a name may be."""
    words = command.split()
    program = words[0].rpartition("/")[2] if words else ""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", program, flags=re.ASCII).strip("._-")[:100]
    return name or "job"


def is_job_file(name: str, suffix: str = SUFFIX) -> bool:
    """Whether a file called ``name`` is of a job."""
    return re.fullmatch(rf"{_NAME}\.{_ID}\.{re.escape(suffix)}{_BESIDE}", name, re.ASCII) is not None


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The paths of a job's files. ``unique`` is eight hexadecimal digits.

    The job file is in ``folder``, what the job writes in ``outputs``, or where ``outfile`` and ``errfile``
    say.
    """

    folder: Path
    outputs: Path
    name: str
    unique: str
    suffix: str = SUFFIX
    outfile: Path | None = None
    errfile: Path | None = None

    @property
    def script(self) -> Path:
        """The job file."""
        return self.folder / f"{self.name}.{self.unique}.{self.suffix}"

    @property
    def call(self) -> Path:
        """The call file, beside the job file."""
        return self.folder / f"{self.script.name}.{FileKind.CALL}"

    @property
    def outputs_base(self) -> Path:
        """What the paths of all that the job writes begin with."""
        return self.outputs / self.script.name

    def written(self, kind: FileKind, task: str | int | None = None) -> Path:
        """What the job writes, or a task of it; ``task`` may also be what stands for its number."""
        chosen = {FileKind.OUT: self.outfile, FileKind.ERR: self.errfile}.get(kind)
        part = "" if task is None else f".{task}"
        if chosen is not None:
            return chosen.with_name(chosen.name + part)
        return self.outputs / f"{self.script.name}{part}.{kind}"

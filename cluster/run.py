"""Small helpers: running a program, finding one, and reading and writing files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO, cast

from cluster.errors import CommandError, CommandTimeout

_Path = str | os.PathLike[str]
_FIRST_REST_S = 0.1
_KILLED_WITHIN_S = 0.5
_SHELL_CHARACTERS = frozenset("();<>|&")
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz"}


class Finished(NamedTuple):
    """How a program ended; as a tuple ``(code, stdout, stderr)``. A negative code is a signal's number."""

    code: int
    stdout: str
    stderr: str


def cmd(
    command: str | Sequence[_Path],
    args: str | Sequence[_Path] = (),
    *,
    stdin: str = "",
    tries: int = 1,
    timeout_s: float | None = None,
    cwd: _Path | None = None,
) -> Finished:
    """Run a program, with no shell in between, and wait for its end.

    ``command`` is its argv, or a text that is split into one as a shell would. It is tried again while it
    ends with another code than 0, ``tries`` times in all, with growing rests. After ``timeout_s`` seconds
    it is killed with all that it started. ``cwd`` is the folder that it runs in, by default ours.

    Raises CommandError if it can't be started, CommandTimeout, or ValueError for a text that needs a shell.
    """
    words: Sequence[_Path] = _split(command) if isinstance(command, str) else command
    more = [args] if isinstance(args, str) else args
    argv = [os.fspath(word) for word in (*words, *more)]
    rest_s = _FIRST_REST_S
    for _ in range(tries - 1):
        finished = _run_once(argv, stdin, timeout_s, cwd)
        if finished.code == 0:
            return finished
        time.sleep(rest_s)
        rest_s *= 2
    return _run_once(argv, stdin, timeout_s, cwd)


def _split(command: str) -> list[str]:
    words = shlex.shlex(command, posix=False, punctuation_chars=True)
    words.whitespace_split, words.commenters = True, ""
    # Outside quotes, where a shell would act on it, and a program only wonder at its argument.
    if found := {word for word in words if _SHELL_CHARACTERS.issuperset(word)}:
        raise ValueError(
            f"{command!r} needs a shell for {' and '.join(sorted(found))}, and none is used: "
            f"write cmd(['bash', '-c', {command!r}])"
        )
    return shlex.split(command)


def _run_once(argv: Sequence[str], stdin: str, timeout_s: float | None, cwd: _Path | None) -> Finished:
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        program = argv[0] if argv else "nothing"
        raise CommandError(f"{program} can't be started", _why(error), f"see: which {program}") from error
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout_s)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            raise CommandTimeout(
                f"{shlex.join(argv)} gave no answer within {timeout_s:g} s", "it was killed", "try it by hand"
            ) from error
        except BaseException:
            _kill(process)
            raise
    return Finished(process.returncode, stdout, stderr)


def _why(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _kill(process: subprocess.Popen[str]) -> None:
    """Its whole session; what left it may still hold the pipes, which aren't waited for."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_KILLED_WITHIN_S)


def which(program: _Path) -> str | None:
    """The path of an executable program, looked for in PATH unless it has a folder; None if there is none."""
    return shutil.which(program)


def is_exe(path: _Path) -> bool:
    """Whether this is a file that we may execute."""
    return Path(path).is_file() and os.access(path, os.X_OK)


def check_pid(pid: int) -> bool:
    """Whether a process of that number lives, ours or not; one that ended and wasn't waited for counts."""
    if pid <= 0:  # to kill(2) these are groups of processes
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def open_zipped(infile: _Path | TextIO, mode: str = "r") -> TextIO:
    """A file as text (UTF-8), compressed by gzip, bzip2, xz or not at all; what is open is returned as it is.

    Reading, the content says which it is; writing, the name does: ``.gz``, ``.bz2``, ``.xz``.
    Raises OSError, or ValueError for a mode that isn't one of text.
    """
    if not isinstance(infile, str | os.PathLike):
        return infile
    path, kind = Path(infile), mode.replace("t", "")
    if kind not in {"r", "w", "a", "x"}:
        raise ValueError(f"the mode {mode!r} isn't one of r, w, a and x")
    suffix = _zipped_as(path) if kind == "r" else path.suffix
    opener = _OPENERS.get(suffix, io.open)
    return cast(TextIO, opener(path, kind + "t", encoding="utf-8"))


def _zipped_as(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(max(map(len, _MAGIC)))
    return next((suffix for magic, suffix in _MAGIC.items() if start.startswith(magic)), "")


def count_lines(infile: _Path) -> int:
    """How many lines a file has, compressed or not; a last one without an end counts."""
    with open_zipped(infile) as file:
        return sum(1 for _ in file)


def split_file(
    infile: _Path, parts: int, outpath: _Path | None = None, keep_header: bool = False
) -> list[Path]:
    """Split a text file into ``parts`` files of almost equally many lines, and return their paths in order.

    They lie beside it, or in the folder ``outpath``, as ``NAME.split_0001`` and so on, compressed as it is.
    With ``keep_header`` each begins with its first line. A file of fewer lines gives fewer parts.
    Raises ValueError for fewer parts than one, and OSError.
    """
    source = Path(infile)
    if parts < 1:
        raise ValueError(f"a file can't be split into {parts} parts")
    lines = count_lines(source) - keep_header
    parts = max(1, min(parts, lines))
    zipped = source.suffix if source.suffix in _OPENERS else ""
    stem = source.name.removesuffix(zipped)
    folder = Path(outpath) if outpath is not None else source.parent
    paths = [folder / f"{stem}.split_{number:04}{zipped}" for number in range(1, parts + 1)]
    with open_zipped(source) as file:
        header = file.readline() if keep_header else ""
        for number, path in enumerate(paths):
            share = lines * (number + 1) // parts - lines * number // parts
            with open_zipped(path, "w") as part:
                part.write(header)
                part.writelines(file.readline() for _ in range(share))
    return paths


def write_iterable(iterable: Iterable[object], outfile: _Path | IO[str]) -> None:
    """Write each element as a line; compressed, if the name of the file says so."""
    with ExitStack() as stack:
        file = outfile
        if isinstance(file, str | os.PathLike):
            file = stack.enter_context(open_zipped(file, "w"))
        file.writelines(f"{element}\n" for element in iterable)

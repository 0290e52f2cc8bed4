"""Reading what came of a call: the value that the function returned, or the exception that it raised.

A pickle can do anything when it is read. So a result is read only from a plain file of somebody who could
harm its reader anyway: this user, or root.
"""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from cluster.functions.errors import RemoteError, RemoteTraceback, ResultError
from cluster.functions.runner import (
    EXITED,
    PYTHON,
    RAISED,
    RUNNER,
    UNLOADABLE,
    UNPICKLABLE,
    VALUE,
    ResultFile,
    find_in_results,
    read_header,
)

_AGAIN = "run it again"


def read_result(path: Path, name: str, files: Path) -> Any:
    """The value in the result ``path`` of the function ``name``.

    ``files`` is where the files stand that it returned as ResultFile.

    Raises the function's own exception, whose cause is a RemoteTraceback; RemoteError if that exception
    can't be brought back; ResultError for a value that can't, a file of somebody else's, a damaged one, or
    one of another version of Python; FileNotFoundError.
    """
    with open_trusted(path, {os.geteuid(), 0}) as file:
        try:
            header = read_header(file, ("python", "outcome"))
        except ValueError as error:
            raise ResultError(f"the result of {name} can't be read", f"{path}: {error}", _AGAIN) from None
        if header["outcome"] == VALUE:
            _check_python(header["python"], name)
            return _unpickle(file, name, files)
        raise _read_failure(header, file, name, files)


def open_trusted(path: Path, trusted: Collection[int]) -> IO[bytes]:
    """Open a plain file that belongs to one of these user ids. Raises ResultError, FileNotFoundError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResultError(f"{path} isn't read", error.strerror or str(error), "") from error
    info = os.fstat(handle)
    if not stat.S_ISREG(info.st_mode) or info.st_uid not in trusted:
        os.close(handle)
        raise ResultError(
            f"{path} isn't read",
            "it isn't a plain file of yours, and to read a pickle is to run a program",
            "see whose it is: ls -l",
        )
    return os.fdopen(handle, "rb")


def _check_python(version: str, name: str) -> None:
    if version != PYTHON:
        raise ResultError(
            f"the result of {name} can't be read",
            f"Python {version} wrote it, and this is Python {PYTHON}",
            f"read it with python{version}, or run the function again",
        )


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], files: Path) -> None:
        super().__init__(file)
        self._files = files

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (RUNNER, find_in_results.__name__):
            return self._find_file
        return super().find_class(module, name)

    def _find_file(self, name: str) -> ResultFile:
        if not name or "/" in name or name in (".", ".."):
            raise pickle.UnpicklingError(f"{name!r} is no file of the result")
        return ResultFile(self._files / name)


def _unpickle(file: IO[bytes], name: str, files: Path) -> Any:
    try:
        return _Unpickler(file, files).load()
    except Exception as error:
        raise ResultError(
            f"the result of {name} can't be read",
            f"{type(error).__name__}: {error}",
            "import here what it is made of, or return something simpler",
        ) from error


def _read_failure(header: dict[str, Any], file: IO[bytes], name: str, files: Path) -> BaseException:
    outcome, message = header["outcome"], str(header.get("message", ""))
    if outcome == RAISED:
        return _read_exception(header, file, name, files)
    if outcome == EXITED:
        return RemoteError(
            f"{name} returned nothing",
            f"it left its process: sys.exit({message})",
            "let it return, or raise an exception",
            "SystemExit",
        )
    if outcome == UNPICKLABLE:
        return ResultError(
            f"the result of {name} can't be brought back",
            message,
            "return something that can be pickled, or write a file and return cluster.ResultFile(path)",
        )
    if outcome == UNLOADABLE:
        return RemoteError(
            f"{name} can't be run there",
            f"{header.get('type', '')}: {message}",
            _say_remedy(header),
            str(header.get("type", "")),
            str(header.get("traceback", "")),
        )
    return ResultError(f"the result of {name} can't be read", f"it says {str(outcome)[:50]!r}", _AGAIN)


def _say_remedy(header: dict[str, Any]) -> str:
    if "ModuleNotFoundError" in str(header.get("type", "")):
        return "install that where the function runs, or name its folder: syspaths=['/path']"
    if header["python"] != PYTHON:
        return f"let it run where there is Python {PYTHON}"
    return "see its traceback"


def _read_exception(header: dict[str, Any], file: IO[bytes], name: str, files: Path) -> BaseException:
    """The exception itself, else one that says all that is known of it."""
    text = str(header.get("traceback", ""))
    error = None
    if header["python"] == PYTHON:
        with suppress(Exception):
            error = _Unpickler(file, files).load()
    if not isinstance(error, Exception):
        kind = str(header.get("type", "an exception"))
        error = RemoteError(f"{name} raised {kind}", str(header.get("message", "")), "", kind, text)
    error.__cause__ = RemoteTraceback(text)
    return error

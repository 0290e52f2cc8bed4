"""The process of a job that is a function: reads a call, makes it, and writes what came of it.

Started as ``python runner.py CALLS OUTPUTS [TASK]``: CALLS is a call file; the result goes to
``OUTPUTS.result``, or to ``OUTPUTS.TASK.result`` for task TASK of an array. It needs nothing but the standard
library, so it runs where this package isn't installed, and cloudpickle if what was packed does.

Both kinds of file are a line of JSON, then pickles:

===========  ==============================================================================================
call file    ``python``: the version that packed it; ``functions``: of each pickled function its name, its
             source file and its size in bytes; ``calls``: of each call, which function, and the size in bytes
             of its pickled arguments; ``imports`` and ``sys_path``: what has to be imported first, and from
             where
result       ``python``: the version that ran it; ``outcome``; what was raised as ``type``, ``message`` and
             ``traceback``; then the value or the exception, pickled
===========  ==============================================================================================

Nobody unpickles what another version of Python wrote: code isn't the same there, and might crash it.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import json
import os
import pickle
import signal
import sys
from collections import ChainMap
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import IO, Any, NamedTuple

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
#: The module's name in pickles, also where this file runs as a script.
RUNNER = "cluster.functions.runner"
#: The very cloudpickle that packed the call, where a call file came with it.
SHIPPED_NAME = "cloudpickle.zip"
_MESSAGE_MAX = 2000
#: Of a process that was ended by SIGTERM, as a shell has it.
_TERMINATED = 128 + signal.SIGTERM

VALUE, RAISED, EXITED, UNPICKLABLE, UNLOADABLE = "value", "raised", "exited", "unpicklable", "unloadable"


# Without [str]: an old Python, too, shall live to tell which one was needed.
class ResultFile(os.PathLike):  # type: ignore[type-arg]
    """A file that a function leaves as (a part of) its result, instead of its content.

    In the job, ``path`` names a file that the function wrote: it is moved to the job's results. In what
    ``get()`` returns it is where the file stands then, so ``open(job.get())`` reads it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"ResultFile({self.path!r})"


def call_all(function: Callable[..., Any], several: list[tuple[Any, ...]]) -> list[Any]:
    """Several calls in one process."""
    return [function(*args) for args in several]


def call_after(
    first: Callable[..., Any],
    first_args: tuple[Any, ...],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """A call after another one, whose result is of no interest."""
    first(*first_args)
    return function(*args, **kwargs)


def find_in_results(name: str) -> ResultFile:
    """Stands in a pickled result for a file of that name; who reads the result knows where that is."""
    raise pickle.UnpicklingError(f"nobody knows where the result's file {name!r} is")


class Terminated(BaseException):
    """Somebody sent SIGTERM: the function's ``finally`` clauses run, and nothing is written."""


def read_header(file: IO[bytes], keys: tuple[str, ...]) -> dict[str, Any]:
    """The first line of a call file or a result. Raises ValueError if it is none that has ``keys``."""
    try:
        header = json.loads(file.readline())
    except ValueError:
        header = None
    if not isinstance(header, dict) or not all(key in header for key in keys):
        raise ValueError("it is damaged, or no file of this kind")
    return header


class PackedCall(NamedTuple):
    """A call as it stands in a call file; ``source`` is the file that its function was written in."""

    header: dict[str, Any]
    name: str
    source: str
    function: bytes
    args: bytes


def read_call(file: IO[bytes], index: int) -> PackedCall:
    """Call ``index`` of a call file.

    Raises ValueError if the file is damaged or has no such call.
    """
    header = read_header(file, ("python", "functions", "calls"))
    if not 0 <= index < len(header["calls"]):
        raise ValueError(f"it has no call {index}")
    start = file.tell()
    sizes = [size for *_, size in header["functions"]]
    number, args_size = header["calls"][index]
    file.seek(start + sum(sizes[:number]))
    function = file.read(sizes[number])
    file.seek(start + sum(sizes) + sum(size for _, size in header["calls"][:index]))
    args = file.read(args_size)
    if len(args) != args_size:
        raise ValueError("it is cut off")
    name, source, _ = header["functions"][number]
    return PackedCall(header, name, source, function, args)


class _ResultWriter:
    """Writes a result beside its place, and moves it there when it is whole."""

    def __init__(self, outputs: str) -> None:
        self._path = f"{outputs}.result"
        self._files = f"{outputs}.files"
        self._moved: dict[int, tuple[ResultFile, str]] = {}

    def clear(self) -> None:
        """Remove what an earlier attempt wrote."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        if os.path.isdir(self._files):
            import shutil

            shutil.rmtree(self._files)

    def write(self, outcome: str, content: object = None, **told: str) -> None:
        """Raises whatever pickling ``content`` raises; then nothing is written."""
        private = f"{self._path}.new"
        with open(private, "wb", opener=_open_private) as file:
            header = {"python": PYTHON, "outcome": outcome, **told}
            file.write(json.dumps(header).encode() + b"\n")
            self._pickle(content, file)
        os.replace(private, self._path)

    def _pickle(self, content: object, file: IO[bytes]) -> None:
        start = file.tell()
        try:
            self._dump(pickle.Pickler, content, file)
        except Exception:
            # What isn't to be found by its name: classes of a notebook, functions made on the way.
            try:
                import cloudpickle
            except ImportError:
                cloudpickle = None
            if cloudpickle is None:
                raise
            file.seek(start)
            file.truncate()
            self._dump(cloudpickle.Pickler, content, file)

    def _dump(self, base: Any, content: object, file: IO[bytes]) -> None:
        reducers: dict[type, Callable[[Any], object]] = {ResultFile: self._reduce}
        if isinstance(content, BaseException) and _has_own_init(type(content)):
            reducers[type(content)] = _reduce_exception

        class Pickler(base):  # type: ignore[misc]
            dispatch_table = ChainMap(reducers, getattr(base, "dispatch_table", copyreg.dispatch_table))

        Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(content)

    def _reduce(self, one: ResultFile) -> tuple[Callable[[str], object], tuple[str]]:
        return find_in_results, (self._keep(one),)

    def _keep(self, one: ResultFile) -> str:
        """Move the file to the results, once; its name there."""
        if id(one) not in self._moved:
            import shutil  # it takes as long to import as all else here

            os.makedirs(self._files, mode=0o700, exist_ok=True)
            base = os.path.basename(one.path)
            taken = {name for _, name in self._moved.values()}
            name = base if base not in taken else f"{len(taken)}-{base}"
            shutil.move(one.path, f"{self._files}/{name}")
            self._moved[id(one)] = (one, name)
        return self._moved[id(one)][1]


def _has_own_init(kind: type[BaseException]) -> bool:
    """Whether the class has an ``__init__`` of its own, and all that it keeps is in ``args`` and attributes.

    Python makes such exceptions again by calling their class with ``args``, and fails where it wants others.
    """
    base = next(one for one in kind.__mro__ if one.__module__ == "builtins")
    plain = kind.__reduce__ is BaseException.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__
    return (
        plain
        and isinstance(kind.__init__, FunctionType)
        and base.__basicsize__ == BaseException.__basicsize__
    )


def _reduce_exception(error: BaseException) -> tuple[object, ...]:
    make = copyreg.__newobj__  # type: ignore[attr-defined]
    return make, (type(error), *error.args), error.__dict__ or None


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def run(calls: str, outputs: str, index: int) -> int:
    """Make call ``index`` of the file ``calls``; returns the exit code of the process."""
    writer = _ResultWriter(outputs)
    writer.clear()
    try:
        name, work = _load(calls, index)
    except Exception as error:  # noqa: BLE001 - modules that are imported may raise anything
        _tell(writer, UNLOADABLE, error)
        return 1
    try:
        value = work()
    except Terminated:
        return _TERMINATED
    except SystemExit as error:
        writer.write(EXITED, type="SystemExit", message=str(error.code))
        return error.code if isinstance(error.code, int) and error.code else 1
    except BaseException as error:  # noqa: BLE001 - whatever the function raises is its result
        _tell(writer, RAISED, error)
        return 1
    try:
        writer.write(VALUE, value)
    except Exception as error:  # noqa: BLE001 - so may what is pickled
        _tell(writer, UNPICKLABLE, error, f"{name} returned {_describe(value)}: {error}")
        return 1
    return 0


def _load(calls: str, index: int) -> tuple[str, Callable[[], object]]:
    with open(calls, "rb") as file:
        packed = read_call(file, index)
    if packed.header["python"] != PYTHON:
        raise RuntimeError(
            f"{packed.name} was packed by Python {packed.header['python']}, and this is "
            f"{sys.version.split()[0]}, {sys.executable}"
        )
    wanted = packed.header.get("sys_path") or []
    sys.path[:] = [*wanted, *(one for one in sys.path if one not in wanted)]
    function: Callable[..., object] = pickle.loads(packed.function)
    args, kwargs = pickle.loads(packed.args)
    inner = _find_inner(function)
    if inner is not None:
        _name_source(inner, packed.source)
        for line in packed.header.get("imports") or ():
            exec(line, inner.__globals__)
    return packed.name, functools.partial(function, *args, **kwargs)


def _find_inner(function: Any) -> FunctionType | None:
    """The function with code that a method or a partial is made of."""
    while not isinstance(function, FunctionType):
        inner = getattr(function, "func", None) or getattr(function, "__func__", None)
        if inner is None:
            return None
        function = inner
    return function


def _name_source(function: FunctionType, source: str) -> None:
    """So that tracebacks show lines of the source again: cloudpickle leaves its name out."""
    if source and function.__code__.co_filename.startswith("<"):
        function.__code__ = _with_source(function.__code__, source)


def _with_source(code: CodeType, source: str) -> CodeType:
    inner = (_with_source(one, source) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=source, co_consts=tuple(inner))


def _describe(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _tell(writer: _ResultWriter, outcome: str, error: BaseException, message: str | None = None) -> None:
    """Print the exception as Python does, and write it; without itself, if it can't be pickled."""
    import traceback

    # The uppermost frame is this module's.
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    lines = "".join(traceback.format_exception(type(error), error, trace))
    sys.stderr.write(lines)
    sys.stderr.flush()
    told = {
        "type": _describe(error),
        "message": _shorten(str(error) if message is None else message),
        "traceback": lines,
    }
    try:
        writer.write(outcome, error if outcome == RAISED else None, **told)
    except Exception:  # noqa: BLE001 - likewise
        writer.write(outcome, None, **told)


def _shorten(text: str) -> str:
    return text if len(text) <= _MESSAGE_MAX else f"{text[:_MESSAGE_MAX]}…"


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _stand_in() -> None:
    """Where the package isn't installed: let what functions use of it be found by its name."""
    from importlib.util import find_spec

    if find_spec("cluster") is not None:
        return
    for name in ("cluster", "cluster.functions"):
        module = ModuleType(name)
        module.__path__ = []
        vars(module)["ResultFile"] = ResultFile
        sys.modules[name] = module


def main(argv: list[str]) -> int:
    """See the module."""
    calls, outputs, *task = argv
    # So that this very class is the one that pickles mean.
    sys.modules[RUNNER] = sys.modules[__name__]
    find_in_results.__module__ = RUNNER
    shipped = f"{os.path.dirname(os.path.abspath(calls))}/{SHIPPED_NAME}"
    if os.path.exists(shipped):
        sys.path.insert(0, shipped)
        _stand_in()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return run(calls, f"{outputs}.{task[0]}" if task else outputs, int(task[0]) if task else 0)
    except Terminated:
        return _TERMINATED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Calls of functions, as the call file that ``cluster.functions.runner`` reads.

What can be found by its name where the function runs is packed as that name: what is installed. All else is
packed with its code: lambdas, closures, what a script or a notebook defines. Modules beside a script count as
installed where the function runs on this machine's own disks, since it is told ``sys.path``; for other
machines they are packed with their code, too.
"""

from __future__ import annotations

import ast
import json
import os
import pickle
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from cluster.functions.culprits import find_culprit
from cluster.functions.errors import Unpicklable
from cluster.functions.runner import PYTHON, read_call

#: Never packed with their code: what runs a job has it, or needs none of it.
_OURS = frozenset({"cluster", "cloudpickle", "distribute_compute_config", "spoold", "__main__"})


@dataclass(frozen=True, slots=True)
class Call:
    """A function, and what it is to be called with."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What calls find around them.

    ``imports`` are statements that are executed where a function looks for its names, ``sys_path`` folders
    to import from. ``with_code``: modules that aren't installed are packed with their code.
    """

    imports: tuple[str, ...] = ()
    sys_path: tuple[str, ...] = ()
    with_code: bool = False


def name_function(function: Callable[..., Any]) -> str:
    """What to call a function in messages: ``train``, ``Model.fit``, ``<lambda>``."""
    inner = _unwrap(function)
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return str(name).rpartition("<locals>.")[2]


def _unwrap(function: Any) -> Any:
    """What a partial is made of."""
    while not hasattr(function, "__qualname__") and hasattr(function, "func"):
        function = function.func
    return function


def pack(calls: Sequence[Call], around: Surroundings = Surroundings()) -> bytes:
    """The content of a call file. A function that several calls have in common is in it once.

    Raises Unpicklable, naming what can't be packed, and ValueError for ``imports`` that aren't imports.
    """
    check_imports(around.imports)
    functions: dict[int, _Function] = {}
    packed_args = []
    with _packed_with_code() if around.with_code else _nothing():
        for call in calls:
            one = functions.get(id(call.function))
            if one is None:
                one = functions[id(call.function)] = _pack_function(call.function, len(functions))
            content = (call.args, dict(call.kwargs))
            packed_args.append((one.number, _dump(content, f"the arguments of {one.name}", "arguments")))
    return _join(list(functions.values()), packed_args, around)


@dataclass(frozen=True, slots=True)
class _Function:
    number: int
    name: str
    source: str
    packed: bytes


def _pack_function(function: Callable[..., Any], number: int) -> _Function:
    name = name_function(function)
    code = getattr(_unwrap(function), "__code__", None)
    source = code.co_filename if code else ""
    return _Function(number, name, source, _dump(function, f"the function {name}", name))


def _join(functions: Sequence[_Function], calls: Sequence[tuple[int, bytes]], around: Surroundings) -> bytes:
    header = {
        "python": PYTHON,
        "imports": around.imports,
        "sys_path": around.sys_path,
        "functions": [(one.name, one.source, len(one.packed)) for one in functions],
        "calls": [(number, len(packed)) for number, packed in calls],
    }
    line = json.dumps(header).encode() + b"\n"
    return b"".join([line, *(one.packed for one in functions), *(packed for _, packed in calls)])


def slice_call(path: Path, index: int) -> bytes:
    """A call file with call ``index`` of the call file ``path`` alone. Raises ValueError if there is none."""
    with path.open("rb") as file:
        one = read_call(file, index)
    around = Surroundings(tuple(one.header["imports"]), tuple(one.header["sys_path"]))
    return _join([_Function(0, one.name, one.source, one.function)], [(0, one.args)], around)


def check_imports(imports: Iterable[str]) -> None:
    """Raises ValueError for a text that is something else than an import."""
    for line in imports:
        try:
            statements = ast.parse(line).body
        except SyntaxError as error:
            raise ValueError(f"imports={line!r} is no Python: {error.msg}") from None
        if not all(isinstance(one, ast.Import | ast.ImportFrom) for one in statements):
            raise ValueError(f"imports={line!r} is no import; write: imports=['from os import path']")


def current_sys_path(extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Where this process imports from, as absolute paths, after ``extra``."""
    return tuple(dict.fromkeys(os.path.abspath(one) for one in (*extra, *sys.path)))


def _dump(content: object, what: str, label: str) -> bytes:
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        culprit = find_culprit(content, label, cloudpickle.dumps)
        raise Unpicklable(
            f"{what} can't be sent to a job",
            f"{culprit.describe()}: {culprit.why or error}",
            "make that inside the function, or give what it can be made from",
        ) from error
    return packed


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _packed_with_code() -> Iterator[None]:
    """Meanwhile, modules that aren't installed are packed with their code."""
    import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()
    own = [module for name, module in list(sys.modules.items()) if name not in known and _is_own(module)]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


def _is_own(module: ModuleType) -> bool:
    """Whether a module is neither of Python nor installed, but somewhere beside a script."""
    file = getattr(module, "__file__", None)
    name = getattr(module, "__name__", "")
    if not file or not file.endswith(".py") or name.partition(".")[0] in _OURS:
        return False
    if sys.modules.get(name) is not module:
        return False
    return not any(Path(file).is_relative_to(folder) for folder in _installed_folders())


def _installed_folders() -> list[str]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return [*folders, *site.getsitepackages(), site.getusersitepackages()]

"""Every name that this package promises: it exists, is typed, documented, and used by a test."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_DOCS = _TESTS.parents[1] / "docs/cluster"

#: Below ``cluster``; of a class, what users call and read is in the second table.
_NAMES = {
    "": "Queue Job Executor JQUEUE JobQueue Profile OptionsError get_cluster_environment wait get submit make_job "
    "make_job_file clean submit_file clean_dir check_queue map as_completed jobify list_tasks ResultFile "
    "check_arguments option_help get_profile set_profile del_profile",
    "queue": "Queue queue_parser torque_queue_parser slurm_queue_parser",
    "options": "option_help check_arguments option_to_string options_to_string COMMON NORMAL CLUSTER_CORE "
    "CLUSTER_OPTS TORQUE SLURM SLURM_KWDS TORQUE_KWDS NORMAL_KWDS CLUSTER_KWDS ALLOWED_KWDS SYNONYMS",
    "config_file": "Profile get_profile set_profile del_profile get_option set_option delete create_config "
    "get_config config_path",
    "jobqueue": "JobQueue JQUEUE",
    "logme": "log MIN_LEVEL",
    "modes": "MODE",
    "run": "cmd which is_exe split_file open_zipped write_iterable check_pid count_lines",
}
_MEMBERS = {
    "Queue": "QueueJob completed queued running failed update",
    "Job": "write submit wait get update clean cancel stdout stderr exitcode state reason",
    "JobQueue": "add get wait update clear done",
    "Executor": "submit map shutdown",
    "Profile": "write",
}
_ALL = [
    *((f"cluster.{module}".rstrip("."), name) for module, names in _NAMES.items() for name in names.split()),
    *((f"cluster.{owner}", name) for owner, names in _MEMBERS.items() for name in names.split()),
]


def _resolve(owner: str, name: str) -> object:
    try:
        home: object = import_module(owner)
    except ModuleNotFoundError:
        home = getattr(import_module("cluster"), owner.rpartition(".")[2])
    # A property, not what it gives.
    return inspect.getattr_static(home, name, None) or getattr(home, name)


def _functions(value: object) -> Iterator[object]:
    """What is called of it: itself, the getter of a property, the constructor of a class."""
    if isinstance(value, property):
        yield value.fget
    elif inspect.isclass(value):
        yield value.__init__
    elif inspect.isfunction(value):
        yield value


@cache
def _read(folder: Path, pattern: str) -> str:
    own = Path(__file__).name
    return "\n".join(path.read_text() for path in sorted(folder.glob(pattern)) if path.name != own)


def _is_named(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _is_ours(value: object) -> bool:
    return getattr(value, "__module__", "cluster").startswith("cluster")


@pytest.mark.parametrize(("owner", "name"), _ALL, ids=[f"{owner}.{name}" for owner, name in _ALL])
def test_a_promised_name_exists_is_typed_documented_and_tested(owner: str, name: str) -> None:
    value = _resolve(owner, name)
    if callable(value) or isinstance(value, property):
        assert inspect.getdoc(value), "it has no docstring"
    for function in filter(_is_ours, _functions(value)):
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        untyped = [one.name for one in parameters if one.annotation is one.empty and one.name != "self"]
        assert not untyped and "return" in inspect.get_annotations(function)  # type: ignore[arg-type]
    assert _is_named(name, _read(_DOCS, "*.md")), "no page in docs/cluster names it"
    assert _is_named(name, _read(_TESTS, "*.py")), "no test names it"

"""The Python API's jobs, one function a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, Unpack, overload

from distribute_compute_config.building.arguments import AnyPath, read_files, read_options, read_script
from distribute_compute_config.building.calls import Call, WrongType
from distribute_compute_config.building.combinations import Combinations, combine
from distribute_compute_config.building.keywords import JobKeywords
from distribute_compute_config.expansion import expand_job
from distribute_compute_config.models import CommandJob, File, Job, PythonJob
from distribute_compute_config.problems import Finding, describe_loc

AnySweep: TypeAlias = Combinations | Mapping[str, Iterable[object]]
J = TypeVar("J", Job, PythonJob, CommandJob)

_MAKERS = {"file": "python_job", "command": "command_job"}
_KEYWORDS = ("sweep", *JobKeywords.__annotations__)


@overload
def job(
    name: str, required_files: Sequence[File], *, sweep: None = None, **options: Unpack[JobKeywords]
) -> Job: ...


@overload
def job(
    name: str, required_files: Sequence[File], *, sweep: AnySweep, **options: Unpack[JobKeywords]
) -> tuple[Job, ...]: ...


def job(
    name: str,
    required_files: Sequence[File],
    *,
    sweep: AnySweep | None = None,
    **options: Unpack[JobKeywords],
) -> Job | tuple[Job, ...]:
    """A job of an apptainer batch.

    ``name``: the job's name, unique in its batch.
    ``required_files``: a list of what ``file()`` returned; they appear in ``/input`` for this job, along with
    those of ``initialize()``.
    ``sweep``: makes a job of each combination of values, returned together: see ``sweep()``. ``{re}`` is
    replaced in the name, in ``depends``, in paths and aliases, and in the content of templates.
    ``options``: ``resources``, ``priority``, ``retries``, ``depends``, ``slurm``, ``on_evict``,
    ``evict_grace``, ``resume``: see ``JobKeywords``.

    Raises WrongType or WrongValue.
    """
    return _make(Call("job"), Job, {"name": name}, required_files, sweep, options)


@overload
def python_job(
    name: str,
    file: AnyPath | File,
    required_files: Sequence[File] = (),
    *,
    sweep: None = None,
    **options: Unpack[JobKeywords],
) -> PythonJob: ...


@overload
def python_job(
    name: str,
    file: AnyPath | File,
    required_files: Sequence[File] = (),
    *,
    sweep: AnySweep,
    **options: Unpack[JobKeywords],
) -> tuple[PythonJob, ...]: ...


def python_job(
    name: str,
    file: AnyPath | File,
    required_files: Sequence[File] = (),
    *,
    sweep: AnySweep | None = None,
    **options: Unpack[JobKeywords],
) -> PythonJob | tuple[PythonJob, ...]:
    """A job that runs as ``python3 ./job.py CORES``.

    ``file``: the script, its path or a ``file()``; on the node it is called job.py.
    ``required_files``: a list of what ``file()`` returned; they appear in ``input/``.
    ``name``, ``sweep``, ``options``: as for ``job()``.

    Raises WrongType or WrongValue.
    """
    call = Call("python_job")
    own = {"name": name, "file": read_script(call, "file", file)}
    return _make(call, PythonJob, own, required_files, sweep, options)


@overload
def command_job(
    name: str,
    command: str,
    required_files: Sequence[File] = (),
    *,
    sweep: None = None,
    **options: Unpack[JobKeywords],
) -> CommandJob: ...


@overload
def command_job(
    name: str,
    command: str,
    required_files: Sequence[File] = (),
    *,
    sweep: AnySweep,
    **options: Unpack[JobKeywords],
) -> tuple[CommandJob, ...]: ...


def command_job(
    name: str,
    command: str,
    required_files: Sequence[File] = (),
    *,
    sweep: AnySweep | None = None,
    **options: Unpack[JobKeywords],
) -> CommandJob | tuple[CommandJob, ...]:
    """A job that runs a command line.

    ``command``: the command line, run by ``/bin/sh``; ``sweep`` replaces ``{re}`` in it too.
    ``required_files``: a list of what ``file()`` returned; they appear in ``input/``.
    ``name``, ``sweep``, ``options``: as for ``job()``.

    Raises WrongType or WrongValue.
    """
    own = {"name": name, "command": command}
    return _make(Call("command_job"), CommandJob, own, required_files, sweep, options)


def _make(
    call: Call,
    model: type[J],
    own: dict[str, Any],
    required_files: object,
    swept: AnySweep | None,
    options: Mapping[str, Any],
) -> J | tuple[J, ...]:
    for keyword, maker in _MAKERS.items():
        if keyword in options:
            what = f"{call.function}() has no parameter {keyword!r}"
            raise WrongType(what, "", f"make the job with {maker}()")
    call.check_keywords(options, _KEYWORDS)
    files = {"required_files": read_files(call, required_files)}
    given = {**own, **files, **read_options(call, options)}
    if swept is None:
        return call.build(model, given)
    return tuple(call.build(model, one) for one in _spread(call, given, swept))


def _spread(call: Call, given: dict[str, Any], swept: AnySweep) -> list[dict[str, Any]]:
    """The data of each job that ``given`` stands for."""
    made = []
    for one in expand_job(given, _read_sweep(call, swept).written()):
        if isinstance(one, Finding):
            raise call.wrong_value(describe_loc(one.loc), one.why, one.instead)
        made.append(one)
    return made


def _read_sweep(call: Call, swept: object) -> Combinations:
    if isinstance(swept, Combinations):
        return swept
    found = call.instance("sweep", swept, Mapping, "what sweep(...) returns, or a dict of lists")
    return combine(Call(f"{call.function}(): sweep"), found)

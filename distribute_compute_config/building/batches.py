"""A whole batch: its names, its jobs, and both together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, Unpack, overload

from distribute_compute_config.building.arguments import read_options
from distribute_compute_config.building.calls import Call
from distribute_compute_config.building.keywords import BatchKeywords
from distribute_compute_config.models import (
    AnyJob,
    AnySection,
    ApptainerConfig,
    CommandConfig,
    CommandDescription,
    CommandInitialize,
    CommandJob,
    Description,
    Initialize,
    InitializeBase,
    Job,
    JobBase,
    JobFile,
    Kind,
    Meta,
    PythonConfig,
    PythonDescription,
    PythonInitialize,
    PythonJob,
)
from distribute_compute_config.slurm_options import Slurm

SlurmSection: TypeAlias = Slurm | Mapping[str, object]

_JOBS: dict[type[AnyJob], str] = {Job: "job", PythonJob: "python_job", CommandJob: "command_job"}
_SECTIONS: dict[type[InitializeBase], tuple[type[AnySection], type[AnyJob]]] = {
    Initialize: (Description, Job),
    PythonInitialize: (PythonDescription, PythonJob),
    CommandInitialize: (CommandDescription, CommandJob),
}
_INITIALIZES = "what initialize(...), python_initialize(...) or command_initialize(...) returns"


def metadata(
    namespace: str,
    batch_name: str,
    capabilities: Sequence[str],
    matrix_username: str | None = None,
    **options: Unpack[BatchKeywords],
) -> Meta:
    """Name a batch, and say what its nodes must have.

    ``namespace``: where several batches live together: a person, a project.
    ``batch_name``: the name of this batch, unique in its namespace for ever.
    ``capabilities``: what a node must have, all of it: for apptainer batches ``["apptainer"]``, or
    ``["apptainer", "gpu"]`` where they need a graphics card; an empty list fits every node.
    ``matrix_username``: who is told when the batch has ended, ``"@user:server"``.
    ``options``: ``resources``, ``priority``, ``retries``, ``after``, ``on_evict``, ``evict_grace``,
    ``resume``: see ``BatchKeywords``.

    Raises WrongType or WrongValue.
    """
    call = Call("metadata", {"matrix": "matrix_username"})
    call.check_keywords(options, BatchKeywords.__annotations__)
    given = {
        "namespace": namespace,
        "batch_name": batch_name,
        "capabilities": call.listed("capabilities", capabilities, "write ['apptainer']"),
        "matrix": matrix_username,
    }
    return call.build(Meta, {**given, **read_options(call, options)})


@overload
def description(initialize: Initialize, jobs: Iterable[Job | Sequence[Job]]) -> Description: ...


@overload
def description(
    initialize: PythonInitialize, jobs: Iterable[PythonJob | Sequence[PythonJob]]
) -> PythonDescription: ...


@overload
def description(
    initialize: CommandInitialize | None, jobs: Iterable[CommandJob | Sequence[CommandJob]]
) -> CommandDescription: ...


def description(
    initialize: InitializeBase | None, jobs: Iterable[object]
) -> Description | PythonDescription | CommandDescription:
    """What is run: how it begins, and the jobs.

    ``initialize``: what ``initialize()``, ``python_initialize()`` or ``command_initialize()`` returned; a
    command batch that needs none of it has None.
    ``jobs``: a list of what ``job()``, ``python_job()`` or ``command_job()`` returned, at least one, all of
    the kind of ``initialize``. What a job with a sweep returned may stand in it as it is.

    Raises WrongType or WrongValue.
    """
    call = Call("description")
    listed = tuple(_flatten(call.listed("jobs", jobs, "write [job_1]" if isinstance(jobs, JobBase) else "")))
    may_lack = bool(listed) and isinstance(listed[0], CommandJob)
    if not (initialize is None and may_lack):
        call.instance("initialize", initialize, tuple(_SECTIONS), _INITIALIZES)
    section, kind = _SECTIONS[CommandInitialize if initialize is None else type(initialize)]
    for index, one in enumerate(listed):
        call.instance(f"jobs[{index}]", one, kind, f"what {_JOBS[kind]}(...) returns")
    return call.build(section, {"initialize": initialize, "jobs": listed})


def apptainer_config(
    meta: Meta, description: Description, *, slurm: SlurmSection | None = None
) -> ApptainerConfig:
    """A whole apptainer batch, to be written with ``write_config_to_file()`` or submitted with ``submit()``.

    ``meta``: what ``metadata()`` returned.
    ``description``: what ``description()`` returned for jobs made by ``job()``.
    ``slurm``: options of sbatch for all jobs: see ``slurm()``.

    Raises WrongType. Raises WrongValue: jobs have the same name, wait for each other or for one that isn't
    there, two files of a job have the same name.
    """
    return _assemble("apptainer_config", Kind.APPTAINER, Description, meta, description, slurm)


def python_config(
    meta: Meta, description: PythonDescription, *, slurm: SlurmSection | None = None
) -> PythonConfig:
    """A whole python batch.

    ``meta``, ``slurm``: as for ``apptainer_config()``.
    ``description``: what ``description()`` returned for jobs made by ``python_job()``.

    Raises WrongType or WrongValue, as ``apptainer_config()`` does.
    """
    return _assemble("python_config", Kind.PYTHON, PythonDescription, meta, description, slurm)


def command_config(
    meta: Meta, description: CommandDescription, *, slurm: SlurmSection | None = None
) -> CommandConfig:
    """A whole command batch.

    ``meta``, ``slurm``: as for ``apptainer_config()``.
    ``description``: what ``description()`` returned for jobs made by ``command_job()``.

    Raises WrongType or WrongValue, as ``apptainer_config()`` does.
    """
    return _assemble("command_config", Kind.COMMAND, CommandDescription, meta, description, slurm)


def _flatten(jobs: Iterable[object]) -> Iterable[object]:
    for one in jobs:
        if isinstance(one, list | tuple):
            yield from one
        else:
            yield one


def _assemble(
    function: str, kind: Kind, wanted: type[AnySection], meta: object, section: object, slurm: object
) -> JobFile:
    call = Call(function)
    call.instance("meta", meta, Meta, "what metadata(...) returns")
    made_by = next(_JOBS[job] for one, job in _SECTIONS.values() if one is wanted)
    call.instance(
        "description", section, wanted, f"what description(...) returns for jobs made by {made_by}()"
    )
    return call.build(JobFile, {"meta": meta, kind.value: section, **read_options(call, {"slurm": slurm})})

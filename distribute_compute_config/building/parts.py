"""Parts of a job file: a file, how a batch begins, what a job needs, options of Slurm."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Unpack

from distribute_compute_config.building.arguments import AnyPath, plain, read_files, read_script
from distribute_compute_config.building.calls import Call
from distribute_compute_config.building.keywords import Duration, SlurmKeywords
from distribute_compute_config.models import (
    CommandInitialize,
    File,
    Initialize,
    PythonInitialize,
    Resources,
)
from distribute_compute_config.regular_files import open_regular
from distribute_compute_config.slurm_options import Slurm
from distribute_compute_config.sweeps import find_placeholders, substitute


def file(path: AnyPath, relative: bool = False, alias: str | None = None, *, template: bool = False) -> File:
    """A file to bring along; it appears in the folder ``input`` of the job.

    ``path``: where it is. Without ``relative`` it must be absolute, and the file must be there already, but
    for a path that mentions a parameter of a sweep.
    ``relative``: whether the path is a relative one; it is kept as it is, and begins at the folder of the job
    file, or, if there is none, at the folder that ``submit`` is told.
    ``alias``: what the file is called in ``input``; its own name if there is none.
    ``template``: whether ``{re}`` is replaced in its content too, for each parameter of the job's sweep.

    Raises WrongType. Raises WrongValue: the path and ``relative`` contradict each other, there is no such
    file, or the alias is no valid name.
    """
    call = Call("file")
    text = call.path("path", path)
    call.instance("relative", relative, bool, "True or False")
    swept = alias if isinstance(alias, str) else ""
    sample = substitute(swept, dict.fromkeys(find_placeholders(swept), "x"))
    made = call.build(File, {"path": text, "alias": sample if swept else alias, "template": template})
    if relative == os.path.isabs(text):
        raise _explain_relative(call, text, relative)
    if not relative and not any(find_placeholders(text)):
        _demand(call, text)
    # Whether the sweep of a job replaces what is in braces is seen when the job is made.
    return made if sample == swept else made.model_copy(update={"alias": alias})


def initialize(
    sif_path: AnyPath | File, required_files: Sequence[File], required_mounts: Sequence[str]
) -> Initialize:
    """The image of an apptainer batch, and what each of its jobs finds.

    ``sif_path``: the image, as ``apptainer build`` made it: a path or a ``file()``. A relative path begins
    at the folder of the job file.
    ``required_files``: a list of what ``file()`` returned; they appear in ``/input`` of every job.
    ``required_mounts``: absolute paths of folders inside the container that a job may write to.

    Raises WrongType or WrongValue.
    """
    call = Call("initialize", {"sif": "sif_path"})
    given = {
        "sif": read_script(call, "sif_path", sif_path),
        "required_files": read_files(call, required_files),
        "required_mounts": call.listed("required_mounts", required_mounts, "write ['/solver/output']"),
    }
    return call.build(Initialize, given)


def python_initialize(build_file: AnyPath | File, required_files: Sequence[File] = ()) -> PythonInitialize:
    """How the solver of a python batch is built, once a node.

    ``build_file``: the script that builds it, run as ``python3 ./build.py``: a path or a ``file()``.
    ``required_files``: a list of what ``file()`` returned; they appear in ``input/`` for the build and for
    every job.

    Raises WrongType or WrongValue.
    """
    call = Call("python_initialize")
    script = read_script(call, "build_file", build_file)
    return call.build(
        PythonInitialize, {"build_file": script, "required_files": read_files(call, required_files)}
    )


def command_initialize(build: str | None = None, required_files: Sequence[File] = ()) -> CommandInitialize:
    """How the solver of a command batch is built, once a node.

    ``build``: the command line that builds it, such as ``"make -j"``; nothing is built without one.
    ``required_files``: a list of what ``file()`` returned; they appear in ``input/`` for the build and for
    every job.

    Raises WrongType or WrongValue.
    """
    call = Call("command_initialize")
    return call.build(CommandInitialize, {"build": build, "required_files": read_files(call, required_files)})


def resources(
    cores: int | None = None,
    memory: str | int | None = None,
    gpus: int | None = None,
    time: Duration | None = None,
) -> Resources:
    """What a job needs, for ``job(..., resources=...)`` or ``metadata(..., resources=...)``.

    ``cores``: the job is told their number.
    ``memory``: ``"12G"``, ``"512M"``, or a number of bytes; G is 1024³ bytes.
    ``gpus``: graphics cards.
    ``time``: the longest that it may run, ``"1h30m"``, ``"1:30:00"``, a number of seconds, or a timedelta.

    Raises WrongType or WrongValue.
    """
    given = {"cores": cores, "memory": memory, "gpus": gpus, "time": plain(time)}
    return Call("resources").build(Resources, given)


def slurm(**options: Unpack[SlurmKeywords]) -> Slurm:
    """Options of sbatch, for ``job(..., slurm=...)`` or ``apptainer_config(..., slurm=...)``.

    ``options``: each is called as its key in a job file: ``job_name``, ``nodes``, ``ntasks``,
    ``cpus_per_task``, ``mem_per_cpu``, ``time``, ``partition``, …: see ``SlurmKeywords``.

    Raises WrongType or WrongValue.
    """
    call = Call("slurm")
    call.check_keywords(options, SlurmKeywords.__annotations__)
    return call.build(Slurm, dict(options))


def _explain_relative(call: Call, text: str, relative: bool) -> Exception:
    if relative:
        return call.wrong_value("relative", f"{text!r} is an absolute path", "leave relative=True out")
    if text.startswith("~"):
        return call.wrong_value(
            "path", f"{text!r} isn't absolute: ~ is not expanded", "use os.path.expanduser()"
        )
    where = f"write {os.path.abspath(text)!r}, or relative=True: from the folder of the job file"
    return call.wrong_value("path", f"{text!r} is a relative path", where)


def _demand(call: Call, path: str) -> None:
    """Raise WrongValue unless there is such a file."""
    try:
        open_regular(path).close()
    except OSError as error:
        why = f"{path!r} can't be read: {error.strerror}"
        raise call.wrong_value("path", why, "write the path of a file that is there") from None

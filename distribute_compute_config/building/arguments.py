"""What the functions of the Python API are given, as the plain data of a job file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from pydantic import BaseModel

from distribute_compute_config.building.calls import Call
from distribute_compute_config.models import File, JobBase, JobFile, Meta, Resources
from distribute_compute_config.slurm_options import Slurm

AnyPath: TypeAlias = str | os.PathLike[str]
_SECTIONS: dict[str, type[BaseModel]] = {"resources": Resources, "slurm": Slurm}
_ONE_FILE = "a list holds files: write [file(...)]"


def read_script(call: Call, parameter: str, value: object) -> dict[str, Any]:
    """A file whose name on the node is fixed: its path, or what ``file()`` returned. Raises WrongType."""
    return _spell_out(value) if isinstance(value, File) else {"path": call.path(parameter, value)}


def read_files(call: Call, value: object, parameter: str = "required_files") -> list[dict[str, Any]]:
    """A list of what ``file()`` returned. Raises WrongType."""
    files = call.listed(parameter, value, _ONE_FILE if isinstance(value, str | os.PathLike | File) else "")
    return [_spell_out(_read_file(call, f"{parameter}[{n}]", file)) for n, file in enumerate(files)]


def _read_file(call: Call, place: str, value: object) -> File:
    hint = ""
    if isinstance(value, str | os.PathLike):
        hint = f"write file({os.fspath(value)!r}, relative=True)"
    return call.instance(place, value, File, "what file(...) returns", hint)


def read_options(call: Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as the data of a job file. Raises WrongType."""
    data = {name: plain(value) for name, value in given.items()}
    for name, model in _SECTIONS.items():
        if isinstance(given.get(name), Mapping):
            call.check_keywords(given[name], model.model_fields, within=name)
    if (depends := given.get("depends")) is not None:
        listed = call.listed("depends", depends, "write [job_1]")
        data["depends"] = [_read_job(call, f"depends[{n}]", one) for n, one in enumerate(listed)]
    if (after := given.get("after")) is not None:
        listed = (after,) if isinstance(after, str | JobFile) else call.listed("after", after)
        data["after"] = [_read_batch(call, f"after[{n}]", one) for n, one in enumerate(listed)]
    return data


def plain(value: Any) -> Any:
    """A section as a dict, a timedelta in seconds, all else as it is."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, BaseModel):
        return _spell_out(value)
    return {key: plain(one) for key, one in value.items()} if isinstance(value, Mapping) else value


def _read_job(call: Call, place: str, value: object) -> str:
    return value.name if isinstance(value, JobBase) else call.instance(place, value, str, "a job or its name")


def _read_batch(call: Call, place: str, value: object) -> str:
    if isinstance(value, JobFile):
        return name_batch(value.meta)
    return call.instance(place, value, str, 'a config, or "NAMESPACE/BATCH"')


def name_batch(meta: Meta) -> str:
    """``NAMESPACE/BATCH``."""
    return f"{meta.namespace}/{meta.batch_name}"


def _spell_out(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(exclude_defaults=True)

"""The files that a job file names: where each stands in it, and whether it is there on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distribute_compute_config.models import (
    File,
    Initialize,
    JobBase,
    JobFile,
    Kind,
    PythonInitialize,
    PythonJob,
)
from distribute_compute_config.problems import Loc, Mark, Problem, describe_loc
from distribute_compute_config.regular_files import open_regular
from distribute_compute_config.sif import BadImage, read_image, require_app
from distribute_compute_config.sweeps import Values
from distribute_compute_config.template_files import (
    SIZE_MAX_BYTES,
    BadTemplate,
    Contents,
    Template,
    read_template,
)

if TYPE_CHECKING:
    from distribute_compute_config.loading import LoadedJobFile

Complaint = tuple[str, str]
"""Why a file can't be used, and what to write instead."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One mention of a file: its path, its name on the node, and where in the text it is mentioned.

    ``values`` is empty but for a template: what its content is filled in with.
    """

    path: str
    name: str
    loc: Loc
    mark: Mark
    values: Values = ()


def list_inputs(
    jobfile: JobFile, mark: Callable[[Loc], Mark], locate: Callable[[Loc], Loc] = tuple
) -> Iterator[InputFile]:
    """Every mention of a file, in the order of the sections.

    ``mark`` tells where a value stands, ``locate`` which value of the text a value of ``jobfile`` comes from.
    """
    for file, name, loc in _mentions(jobfile):
        values: Values = ()
        if file.template and isinstance(loc[2], int):
            values = jobfile.jobs[loc[2]].sweep
        yield InputFile(file.path, name, locate(loc), mark((*loc, "path")), values)


def _mentions(jobfile: JobFile) -> Iterator[tuple[File, str, Loc]]:
    section = jobfile.section
    base: Loc = (jobfile.kind.value,)
    initialize = section.initialize
    if isinstance(initialize, PythonInitialize):
        yield initialize.build_file, "build.py", (*base, "initialize", "build_file")
    if isinstance(initialize, Initialize):
        yield initialize.sif, "image.sif", (*base, "initialize", "sif")
    if initialize is not None:
        yield from _required(initialize.required_files, (*base, "initialize"))
    for index, job in enumerate(section.jobs):
        yield from _of_job(job, (*base, "jobs", index))


def _of_job(job: JobBase, base: Loc) -> Iterator[tuple[File, str, Loc]]:
    if isinstance(job, PythonJob):
        yield job.file, "job.py", (*base, "file")
    yield from _required(job.required_files, base)


def _required(files: tuple[File, ...], base: Loc) -> Iterator[tuple[File, str, Loc]]:
    for index, file in enumerate(files):
        yield file, file.name, (*base, "required_files", index)


def guess_inputs(data: Mapping[str, Any], mark: Callable[[Loc], Mark]) -> Iterator[InputFile]:
    """Every mention of a file that can be made out in the plain data of a job file with mistakes."""
    for kind in Kind:
        section = data.get(kind.value)
        for part in ("initialize", "jobs"):
            found = section.get(part) if isinstance(section, dict) else None
            holders = enumerate(found) if isinstance(found, list) else [(None, found)]
            for index, holder in holders:
                base: Loc = (kind.value, part) if index is None else (kind.value, part, index)
                yield from _guess_in(holder, base, mark)


def _guess_in(holder: object, base: Loc, mark: Callable[[Loc], Mark]) -> Iterator[InputFile]:
    # What a sweep makes of its paths isn't known where the file has mistakes.
    if not isinstance(holder, dict) or "sweep" in holder:
        return
    files = holder.get("required_files")
    listed = enumerate(files) if isinstance(files, list) else ()
    found = [((*base, key), holder.get(key)) for key in ("build_file", "sif", "file")]
    found += [((*base, "required_files", index), file) for index, file in listed]
    for loc, file in found:
        path = file.get("path") if isinstance(file, dict) else file
        if isinstance(path, str) and path and "\0" not in path:
            yield InputFile(path, Path(path).name, loc, mark((*loc, "path")))


def missing_inputs(loaded: LoadedJobFile, base_dir: str | os.PathLike[str]) -> list[Problem]:
    """A problem for each mention of what isn't a readable regular file; relative paths start at ``base_dir``.

    Advisory: files may come and go by the time this returns.
    """
    return find_missing(loaded.inputs(), loaded.source, base_dir)


def find_missing(
    mentions: Iterable[InputFile], source: str, base_dir: str | os.PathLike[str]
) -> list[Problem]:
    """As ``missing_inputs``, for mentions of any file."""
    base = Path(base_dir)
    complaints: dict[str, Complaint | None] = {}
    templates: dict[str, Template | Complaint] = {}
    contents = Contents()
    problems = []
    for one in mentions:
        if one.path not in complaints:
            complaints[one.path] = _complain(one.path, base / one.path)
        found = complaints[one.path]
        if found is None and one.loc[-1] == "sif":
            found = _judge_image(base / one.path)
        if one.values and found is None:
            if one.path not in templates:
                templates[one.path] = _read_template(base / one.path)
            found = _judge_template(templates[one.path], one, contents)
        if found is not None:
            problems.append(Problem(source, *one.mark, describe_loc(one.loc), *found))
    return problems


def _read_template(path: Path) -> Template | Complaint:
    try:
        with open_regular(path) as opened:
            return read_template(opened.read(SIZE_MAX_BYTES + 1))
    except OSError as error:
        return f"{path} can't be read: {error.strerror}", "write the path of a file that you can read"
    except BadTemplate as error:
        return f"{path}: {error.why}", error.instead


def _judge_image(path: Path) -> Complaint | None:
    try:
        with open_regular(path) as opened:
            require_app(read_image(opened))
    except BadImage as error:
        return f"{path}: {error.why}", error.instead
    except OSError as error:
        return f"{path} can't be read: {error.strerror}", "write the path of a file that you can read"
    return None


def _judge_template(template: Template | Complaint, one: InputFile, contents: Contents) -> Complaint | None:
    if not isinstance(template, Template):
        return template
    try:
        contents.add(one.path, template, one.values)
    except BadTemplate as error:
        return error.why, error.instead
    return None


def _complain(written: str, path: Path) -> Complaint | None:
    """Why the file can't be used and what to write instead, or None if it can."""
    try:
        open_regular(path).close()
    except OSError as error:
        if written.startswith("~"):
            return f"there is no file {path}: ~ is not expanded", "write the whole path"
        return f"{path} can't be read: {error.strerror}", "write the path of a file that you can read"
    return None

"""Templates of a drop, filled in: each content that comes of one is an object of the store."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

from distribute_compute_config.inputs import InputFile
from distribute_compute_config.loading import LoadedJobFile
from distribute_compute_config.problems import JobFileError, Problem, describe_loc
from distribute_compute_config.sweeps import Values
from distribute_compute_config.template_files import (
    SIZE_MAX_BYTES,
    BadTemplate,
    Contents,
    Template,
    read_template,
)
from spoold.access import Unreadable
from spoold.compiling import Rendered
from spoold.records import Input
from spoold.sources import Source
from spoold.spool import Spool
from spoold.store import add_object

_Read = tuple[Template, bool]


def render_templates(spool: Spool, source: Source, loaded: LoadedJobFile) -> Rendered:
    """Every content that the templates of a job file become, in the store; an entry a path and combination.

    Raises JobFileError naming all templates that can't be read or filled in, with their lines.
    """
    read: dict[str, _Read | Unreadable] = {}
    stored: dict[tuple[str, Values], Input] = {}
    rendered: dict[tuple[str, Values], Input] = {}
    contents = Contents()
    problems: list[Problem] = []
    for one in loaded.inputs():
        if not one.values:
            continue
        if one.path not in read:
            read[one.path] = _read(source, one.path)
        try:
            template, executable = _require(read[one.path])
            chosen = one.path, contents.add(one.path, template, one.values)
            if chosen not in stored:
                content = io.BytesIO(template.render(one.values))
                stored[chosen] = add_object(spool, content, one.name, executable)
            rendered[one.path, one.values] = replace(stored[chosen], name=one.name)
        except Unreadable as error:
            problems.append(_problem(loaded, one, error.why, error.hint))
        except BadTemplate as error:
            problems.append(_problem(loaded, one, error.why, error.instead))
    if problems:
        raise JobFileError(problems)
    return rendered


def _read(source: Source, path: str) -> _Read | Unreadable:
    try:
        with source.open_input(path) as opened:
            executable = source.is_executable(path, opened)
            raw = opened.read(SIZE_MAX_BYTES + 1)
        template = read_template(raw)
        source.check(path, Input("", hashlib.sha256(raw).hexdigest(), len(raw)))
        return template, executable
    except BadTemplate as error:
        return Unreadable(path, error.why, error.instead)
    except Unreadable as error:
        return error


def _require(read: _Read | Unreadable) -> _Read:
    if isinstance(read, Unreadable):
        raise read
    return read


def _problem(loaded: LoadedJobFile, one: InputFile, why: str, instead: str) -> Problem:
    return Problem(loaded.source, *one.mark, f"{describe_loc(one.loc)}: {one.path}", why, instead)

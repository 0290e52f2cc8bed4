"""What makes a job file wrong as a whole although each value is right.

Works on plain data of any shape and says nothing about what it can't read, so that a file with other mistakes
has these found too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from distribute_compute_config.fields import MOUNTS_MAX
from distribute_compute_config.names import is_name, shorten
from distribute_compute_config.problems import Finding, Loc
from distribute_compute_config.template_checks import find_idle_templates

_KINDS = ("python", "command", "apptainer")
_GUESSES_MAX = 10
_CYCLES_MAX = 20


@dataclass(frozen=True, slots=True)
class _Outline:
    """Of one job: its place, its name if it has one, and what it depends on."""

    loc: Loc
    name: str | None
    depends: tuple[tuple[Loc, str], ...]


def find_contradictions(data: Mapping[str, Any], number: Callable[[int], int] = int) -> list[Finding]:
    """Every contradiction in a job file given as plain data; in no particular order.

    ``number`` tells, for a job's position in ``data``, which job of the file it is; both count from 0.
    """
    present = [kind for kind in _KINDS if data.get(kind) is not None]
    if not present:
        return [
            Finding(
                (), "no jobs: python, command and apptainer are all missing", "write one of these sections"
            )
        ]
    findings = [
        Finding(
            (kind,),
            f"{present[0]} is there already, a job file has one of both",
            "write one file for each",
            at_key=True,
        )
        for kind in present[1:]
    ]
    for kind in present:
        findings += _check_section(kind, data[kind], number)
    return [*findings, *find_idle_templates(data), *_find_own_batch(data.get("meta"))]


def _check_section(kind: str, section: object, number: Callable[[int], int]) -> list[Finding]:
    outlines = tuple(_outline_jobs(kind, section))
    return [
        *_find_duplicates(outlines, number),
        *_find_bad_dependencies(outlines),
        *islice(_find_cycles(outlines), _CYCLES_MAX),
        *_find_name_clashes(kind, section),
        *_find_nested_mounts(kind, section),
    ]


def _outline_jobs(kind: str, section: object) -> Iterator[_Outline]:
    for index, job in enumerate(_list(_get(section, "jobs"))):
        loc: Loc = (kind, "jobs", index)
        name = _get(job, "name")
        depends = tuple(
            ((*loc, "depends", position), other)
            for position, other in enumerate(_list(_get(job, "depends")))
            if isinstance(other, str)
        )
        yield _Outline(loc, name if isinstance(name, str) else None, depends)


def _find_own_batch(meta: object) -> Iterator[Finding]:
    own = f"{_get(meta, 'namespace')}/{_get(meta, 'batch_name')}"
    after = _get(meta, "after")
    for index, other in enumerate([after] if isinstance(after, str) else _list(after)):
        if other == own:
            yield Finding(("meta", "after", index), "the batch would wait for itself", "remove it")


def _find_duplicates(outlines: tuple[_Outline, ...], number: Callable[[int], int]) -> Iterator[Finding]:
    first: dict[str, Loc] = {}
    for outline in outlines:
        if outline.name is None:
            continue
        if outline.name in first:
            holder = number(_position(first[outline.name])) + 1
            why = f"the name {shorten(outline.name)} belongs to job {holder} already"
            yield Finding((*outline.loc, "name"), why, "write another name")
        else:
            first[outline.name] = outline.loc


def _find_bad_dependencies(outlines: tuple[_Outline, ...]) -> Iterator[Finding]:
    names = {outline.name for outline in outlines if outline.name is not None}
    guesses = 0
    for outline in outlines:
        for loc, other in outline.depends:
            if other == outline.name:
                yield Finding(loc, "the job depends on itself", "write the name of another job")
            elif other not in names:
                guesses += 1
                # A guess compares with every name: for the first few mistakes, or a large file takes minutes.
                worth_it = guesses <= _GUESSES_MAX and is_name(other)
                near = get_close_matches(other, sorted(names), n=1) if worth_it else []
                instead = f"did you mean {near[0]}?" if near else "write the name of a job of this file"
                yield Finding(loc, f"there is no job {shorten(other)} in this file", instead)


def _find_cycles(outlines: tuple[_Outline, ...]) -> Iterator[Finding]:
    """One finding a cycle, at the dependency that closes it; a job that depends on itself is none."""
    graph = {
        outline.name: [(loc, other) for loc, other in outline.depends if other != outline.name]
        for outline in outlines
        if outline.name is not None
    }
    done: set[str] = set()
    for start in graph:
        # Depth first with a stack of its own: a chain of 10,000 jobs is deeper than Python recurses.
        path = {start: iter(graph[start])} if start not in done else {}
        while path:
            name = next(reversed(path))
            loc, other = next(path[name], ((), None))
            if other is None:
                done.add(name)
                path.popitem()
            elif other in path:
                circle = [*list(path)[list(path).index(other) :], other]
                yield Finding(
                    loc,
                    f"jobs wait for each other: {_show_circle(circle)}",
                    "remove one of these dependencies",
                )
            elif other in graph and other not in done:
                path[other] = iter(graph[other])


def _show_circle(names: list[str]) -> str:
    shown = names if len(names) <= 8 else [*names[:4], f"… {len(names) - 7} more …", *names[-3:]]
    return " → ".join(shown)


def _find_name_clashes(kind: str, section: object) -> Iterator[Finding]:
    """Two files of one name in ``input/``; files of initialize are there for every job too."""
    shared: dict[str, str] = {}
    base: Loc = (kind, "initialize", "required_files")
    yield from _claim_names(base, _get(_get(section, "initialize"), "required_files"), shared, {})
    for index, job in enumerate(_list(_get(section, "jobs"))):
        yield from _claim_names(
            (kind, "jobs", index, "required_files"), _get(job, "required_files"), {}, shared
        )


def _claim_names(
    base: Loc, files: object, taken: dict[str, str], shared: Mapping[str, str]
) -> Iterator[Finding]:
    """Enter the files' names into ``taken`` (name: path); those in it or in ``shared`` are findings."""
    for index, file in enumerate(_list(files)):
        path = file if isinstance(file, str) else _get(file, "path")
        if not isinstance(path, str) or not path:
            continue
        alias = _get(file, "alias")
        name = alias if isinstance(alias, str) else posixpath.basename(path)
        holder = taken.get(name, shared.get(name))
        if holder is None:
            taken[name] = path
            continue
        where = "" if name in taken else " of initialize, which every job gets"
        why = f"two files would be called {shorten(name)} in input/: this one and {shorten(holder)}{where}"
        yield Finding((*base, index), why, "write another alias for one of them")


def _find_nested_mounts(kind: str, section: object) -> Iterator[Finding]:
    """A mount in another one, or on it: one of the two would be hidden."""
    mounts = _get(_get(section, "initialize"), "required_mounts")
    earlier: list[str] = []
    # More are refused for their number; to compare each with all others would take hours.
    for index, mount in enumerate([mounts] if isinstance(mounts, str) else _list(mounts)[:MOUNTS_MAX]):
        if not isinstance(mount, str):
            continue
        clean = posixpath.normpath(mount)
        for other in earlier:
            if clean == other or clean.startswith(f"{other}/") or other.startswith(f"{clean}/"):
                loc: Loc = (kind, "initialize", "required_mounts", index)
                yield Finding(
                    loc, f"it and the mount on {other} lie one in the other", "write only the upper one"
                )
                break
        earlier.append(clean)


def _get(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: object) -> list[object] | tuple[object, ...]:
    return value if isinstance(value, list | tuple) else ()


def _position(loc: Loc) -> int:
    return int(loc[2])

"""From the jobs that are written to the jobs that are meant: each ``sweep`` becomes as many jobs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distribute_compute_config.names import shorten
from distribute_compute_config.nodes import NODES_MAX, MapNode, Node, find_node
from distribute_compute_config.problems import Finding, Loc
from distribute_compute_config.sweeps import Sweep, Values, read_sweep, say_values, substitute

#: The most jobs that a batch may have where no spool says otherwise.
JOBS_MAX = 10_000
#: Whatever a sweep makes of a file, it is no more than this: a file of that size would be refused.
CHARACTERS_MAX = 64 * 1024**2

_KINDS = ("python", "command", "apptainer")
_COUNT_SHOWN_MAX = 10**12
_TEXTS = ("name", "command")
_SLURM_TEXTS = ("job_name", "output")


@dataclass(frozen=True, slots=True)
class Origins:
    """Which job of the file each job was made from: 0-based positions, of the section ``kind``.

    Without a ``kind`` each job is one of the file. ``swept`` are the positions in the file that have a sweep.
    """

    kind: str = ""
    positions: tuple[int, ...] = ()
    swept: frozenset[int] = frozenset()

    def locate(self, loc: Loc) -> Loc:
        """Where in the file the value at ``loc`` of the expanded data was written."""
        if len(loc) < 3 or loc[:2] != (self.kind, "jobs"):
            return loc
        return (*loc[:2], self.find(int(loc[2])), *loc[3:])

    def find(self, position: int) -> int:
        """The position in the file of the job that is at ``position`` now."""
        return self.positions[position] if self.kind else position

    def is_swept(self, loc: Loc) -> bool:
        """Whether ``loc``, in the file, belongs to a job that stands for several."""
        return len(loc) > 2 and loc[:2] == (self.kind, "jobs") and loc[2] in self.swept


@dataclass(frozen=True, slots=True)
class Expansion:
    """The data of a job file without any list of values: each job has one combination, or no sweep.

    ``findings`` say why a sweep could not be expanded; the data lacks its jobs then.
    """

    data: dict[str, Any]
    origins: Origins
    findings: tuple[Finding, ...] = ()


@dataclass
class _Room:
    """What is left of the limits; each refusal is a finding."""

    jobs_max: int
    jobs: int = 0
    values: int = 0
    characters: int = 0

    def enter(self, job: Mapping[str, Any], sweep: Sweep, loc: Loc) -> Finding | None:
        """Nothing of the sweep is expanded yet."""
        self.jobs += sweep.count
        if self.jobs > self.jobs_max:
            why = f"the sweep makes {_say_count(sweep.count)} jobs, and a batch may have {self.jobs_max}"
            return Finding(loc, why, "sweep over fewer values, or split the batch")
        self.values += sweep.count * (_count_values(job) + len(sweep.parameters))
        longest = max(len(value) for _, values in sweep.parameters for value in values)
        self.characters += sweep.count * sum(len(text) + text.count("{") * longest for text in _texts_of(job))
        if self.values > NODES_MAX or self.characters > CHARACTERS_MAX:
            why = f"the sweep makes {sweep.count} jobs, which are too long together"
            return Finding(loc, why, "put what is long into an input file, or split the batch")
        return None


def expand(data: dict[str, Any], root: Node, jobs_max: int = JOBS_MAX) -> Expansion:
    """``data`` is that of ``root``, which has the values as they are written."""
    for kind in _KINDS:
        jobs = _jobs_of(data, kind)
        if any(isinstance(job, dict) and job.get("sweep") is not None for job in jobs):
            return _expand_section(data, root, kind, jobs_max)
    return Expansion(data, Origins())


def expand_job(
    job: dict[str, Any], sweep: Sweep, jobs_max: int = JOBS_MAX
) -> Iterator[dict[str, Any] | Finding]:
    """The jobs that ``job`` with this sweep stands for, or why they can't be made; places are those in it."""
    return _spread(job, sweep, (), _Room(jobs_max))


def _expand_section(data: dict[str, Any], root: Node, kind: str, jobs_max: int) -> Expansion:
    jobs: list[Any] = []
    origins: list[int] = []
    findings: list[Finding] = []
    swept: set[int] = set()
    room = _Room(jobs_max)
    for index, job in enumerate(_jobs_of(data, kind)):
        loc: Loc = (kind, "jobs", index)
        if not isinstance(job, dict) or job.get("sweep") is None:
            made: list[Any] = [job]
            room.jobs += 1
        else:
            swept.add(index)
            made = []
            for one in _expand_job(job, root, loc, room):
                if isinstance(one, Finding):
                    findings.append(one)
                else:
                    made.append(one)
        jobs += made
        origins += [index] * len(made)
    section = {**data[kind], "jobs": jobs}
    return Expansion(
        {**data, kind: section}, Origins(kind, tuple(origins), frozenset(swept)), tuple(findings)
    )


def _expand_job(job: dict[str, Any], root: Node, loc: Loc, room: _Room) -> Iterator[dict[str, Any] | Finding]:
    here = (*loc, "sweep")
    node = find_node(root, here)
    sweep = read_sweep(node if isinstance(job["sweep"], dict) else MapNode({}, node.mark), here)
    if isinstance(sweep, Sweep):
        yield from _spread(job, sweep, loc, room)
    else:
        yield from sweep


def _spread(job: dict[str, Any], sweep: Sweep, loc: Loc, room: _Room) -> Iterator[dict[str, Any] | Finding]:
    refusal = room.enter(job, sweep, (*loc, "sweep"))
    if refusal is not None:
        yield refusal
        return
    taken: dict[str, Values] = {}
    for values in sweep.combinations():
        made = _make_job(job, values)
        name = made.get("name")
        if isinstance(name, str) and name in taken:
            yield _explain_twice(name, taken[name], values, (*loc, "name"))
            return
        if isinstance(name, str):
            taken[name] = values
        yield made


def _make_job(job: dict[str, Any], values: Values) -> dict[str, Any]:
    given = dict(values)
    made = {**job, "sweep": {name: [value] for name, value in values}}
    made |= _substitute_in(job, _TEXTS, given)
    if isinstance(job.get("depends"), list):
        made["depends"] = [
            substitute(other, given) if isinstance(other, str) else other for other in job["depends"]
        ]
    if isinstance(job.get("required_files"), list):
        made["required_files"] = [_make_file(file, given) for file in job["required_files"]]
    if isinstance(job.get("slurm"), dict):
        made["slurm"] = {**job["slurm"], **_substitute_in(job["slurm"], _SLURM_TEXTS, given)}
    return made


def _substitute_in(
    holder: Mapping[str, Any], keys: tuple[str, ...], given: Mapping[str, str]
) -> dict[str, str]:
    return {key: substitute(holder[key], given) for key in keys if isinstance(holder.get(key), str)}


def _make_file(file: Any, given: Mapping[str, str]) -> Any:
    if isinstance(file, str):
        return substitute(file, given)
    if not isinstance(file, dict):
        return file
    return {**file, **_substitute_in(file, ("path", "alias"), given)}


def _explain_twice(name: str, before: Values, values: Values, loc: Loc) -> Finding:
    differing = [one for (one, was), (_, now) in zip(before, values, strict=True) if was != now]
    instead = f"mention {{{differing[0]}}} in the name" if differing else "write each value once"
    both = f"{say_values(before)} and {say_values(values)}"
    return Finding(loc, f"two combinations give the name {shorten(name)}: {_shorten_values(both)}", instead)


def _say_count(count: int) -> str:
    return str(count) if count < _COUNT_SHOWN_MAX else f"more than {_COUNT_SHOWN_MAX}"


def _shorten_values(text: str) -> str:
    """Values for a message: long ones are cut."""
    return text if len(text) <= 200 else f"{text[:200]}…"


def _count_values(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + _count_values(one) for key, one in value.items() if key != "sweep")
    return 1 + sum(map(_count_values, value)) if isinstance(value, list) else 1


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if key != "sweep":
                yield from _texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts_of(one)


def _jobs_of(data: Mapping[str, Any], kind: str) -> list[Any]:
    section = data.get(kind)
    jobs = section.get("jobs") if isinstance(section, dict) else None
    return jobs if isinstance(jobs, list) else []

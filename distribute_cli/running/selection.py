"""Which jobs of a job file are run here, and what of it can't count on one machine. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from distribute_cli.errors import NotFound, did_you_mean
from distribute_cli.words import join

if TYPE_CHECKING:
    from distribute_compute_config import JobFile

_NAMES_SHOWN = 10


def select(jobfile: JobFile, wanted: Sequence[str]) -> tuple[str, ...]:
    """The names of the ``wanted`` jobs and of all that they depend on, in the order of the file; all without
    any. Raises NotFound."""
    depends = {job.name: job.depends for job in jobfile.jobs}
    for name in wanted:
        if name not in depends:
            some = join(list(depends), at_most=_NAMES_SHOWN)
            raise NotFound(f"there is no job {name}", "", did_you_mean(name, depends) or f"there are: {some}")
    chosen: set[str] = set()
    waiting = list(wanted or depends)
    while waiting:
        name = waiting.pop()
        if name not in chosen:
            chosen.add(name)
            waiting += depends[name]
    return tuple(name for name in depends if name in chosen)


def reduce(jobfile: JobFile, names: Sequence[str]) -> JobFile:
    """The job file with these jobs alone, with nobody to tell of their end and no other batch to wait for."""
    chosen = set(names)
    jobs = tuple(job for job in jobfile.jobs if job.name in chosen)
    section = jobfile.section.model_copy(update={"jobs": jobs})
    meta = jobfile.meta.model_copy(update={"after": (), "matrix": None})
    return jobfile.model_copy(update={"meta": meta, jobfile.kind.value: section})


def list_remarks(
    jobfile: JobFile, wanted: Sequence[str], names: Sequence[str], lacks: Sequence[str]
) -> list[str]:
    """What to know before it runs; ``lacks`` are capabilities that it requires and that weren't found."""
    remarks = []
    if jobfile.meta.after:
        remarks.append(f"after: {join(jobfile.meta.after)}: not waited for here")
    if wanted and (others := [name for name in names if name not in wanted]):
        remarks.append(f"they depend on others, which run too: {join(others)}")
    if lacks:
        remarks.append(f"nothing tells that this machine has {join(lacks)}: it is tried all the same")
    return remarks

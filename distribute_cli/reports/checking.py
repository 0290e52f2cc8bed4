"""What `distribute check` says of one job file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distribute_cli.submitting import find_needs
from distribute_cli.words import count, say_size
from distribute_compute_config.sweeps import say_values

if TYPE_CHECKING:
    from distribute_compute_config import LoadedJobFile
    from distribute_compute_config.problems import Mark, Problem

_JOBS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A mistake; line and column count from 1."""

    line: int
    column: int
    what: str
    why: str
    instead: str


@dataclass(frozen=True, slots=True)
class SweptJob:
    """A job that a sweep makes, and the value of each parameter."""

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SweepCheck:
    """A sweep: where it stands, counting from 1, and the jobs that it makes."""

    line: int
    column: int
    jobs: tuple[SweptJob, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a job file without mistakes asks for; each input file is counted once."""

    namespace: str
    batch: str
    kind: str
    jobs: int
    capabilities: tuple[str, ...]
    input_files: int
    input_bytes: int
    sweeps: tuple[SweepCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One job file: either ``problems``, or the ``batch`` that it describes."""

    file: str
    problems: tuple[FileProblem, ...] = ()
    batch: Batch | None = None


def report_problems(file: str, problems: tuple[Problem, ...]) -> FileCheck:
    """The check of a file with mistakes."""
    return FileCheck(file, tuple(FileProblem(p.line, p.column, p.what, p.why, p.instead) for p in problems))


def report_batch(
    loaded: LoadedJobFile, sizes_bytes: Mapping[str, int], architecture: str | None = None
) -> FileCheck:
    """The check of a file without mistakes; ``sizes_bytes`` by each path that it names.

    ``architecture`` is that of its image.
    """
    meta = loaded.jobfile.meta
    batch = Batch(
        meta.namespace,
        meta.batch_name,
        loaded.jobfile.kind.value,
        len(loaded.jobfile.jobs),
        find_needs(loaded.jobfile, architecture),
        len(sizes_bytes),
        sum(sizes_bytes.values()),
        _report_sweeps(loaded),
    )
    return FileCheck(loaded.source, batch=batch)


def _report_sweeps(loaded: LoadedJobFile) -> tuple[SweepCheck, ...]:
    found: dict[Mark, list[SweptJob]] = {}
    for index, job in enumerate(loaded.jobfile.jobs):
        if job.sweep:
            mark = loaded.mark((loaded.jobfile.kind.value, "jobs", index, "sweep"))
            found.setdefault(mark, []).append(SweptJob(job.name, dict(job.sweep)))
    return tuple(SweepCheck(*mark, tuple(jobs)) for mark, jobs in found.items())


def describe_sweeps(sweeps: Sequence[SweepCheck]) -> Iterator[str]:
    """What people see of sweeps before they submit them.

    Those of one job each share a line: that is how scripts write them.
    """
    single = [sweep for sweep in sweeps if len(sweep.jobs) == 1]
    for sweep in sweeps:
        if len(sweep.jobs) > 1 or len(single) == 1:
            yield from _describe_sweep(sweep)
    if len(single) > 1:
        first = single[0].jobs[0]
        values = say_values(tuple(first.values.items()))
        yield f"  {len(single)} sweeps make one job each, the first is {first.name}  {values}"


def _describe_sweep(sweep: SweepCheck) -> Iterator[str]:
    """How many jobs it makes, and the first of them."""
    yield f"  the sweep on line {sweep.line} makes {count(len(sweep.jobs), 'job')}:"
    shown = sweep.jobs[:_JOBS_SHOWN]
    width = max(len(job.name) for job in shown)
    for job in shown:
        yield f"    {job.name:<{width}}  {say_values(tuple(job.values.items()))}"
    if len(sweep.jobs) > len(shown):
        yield f"    and {len(sweep.jobs) - len(shown)} more, the last is {sweep.jobs[-1].name}"


def summarise(check: FileCheck) -> str:
    """One line for people about a file without mistakes."""
    batch = check.batch
    assert batch is not None
    needs = f"needs {', '.join(batch.capabilities)}" if batch.capabilities else "runs on any node"
    inputs = f"{count(batch.input_files, 'input file')} ({say_size(batch.input_bytes)})"
    jobs = f"{count(batch.jobs, 'job')} ({batch.kind})"
    return f"{check.file}: ok: {batch.namespace}/{batch.batch}, {jobs}, {needs}, {inputs}"

"""Jobs as job arrays: one for all that ask Slurm for the same. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from distribute_cli.slurm.options import ARRAY_OUTPUT, JOB_OUTPUT, Request, request_jobs
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.models import JobFile

#: Slurm's own default of MaxArraySize is 1001, and tasks count from 0.
TASKS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Array:
    """``jobs`` in the order of their tasks, from 0."""

    name: str
    request: Request
    jobs: tuple[str, ...]

    @property
    def folder(self) -> str:
        return f"arrays/{self.name}"


def group_jobs(jobfile: JobFile) -> tuple[Array, ...]:
    """The fewest arrays: jobs with other options need another one, and so does each thousand.

    Raises DistributeError if a job depends on another: tasks of an array all start when there is room.
    """
    waiting = next((job for job in jobfile.jobs if job.depends), None)
    if waiting is not None:
        raise DistributeError(
            f"{jobfile.meta.namespace}/{jobfile.meta.batch_name} can't be a job array",
            f"{waiting.name} depends on {waiting.depends[0]}, and no task of an array waits for another",
            "leave out --array: each job is then submitted by itself, with its dependencies",
        )
    name = (jobfile.slurm and jobfile.slurm.job_name) or jobfile.meta.batch_name
    groups: dict[Request, list[str]] = {}
    for job, request in request_jobs(jobfile):
        groups.setdefault(_without_name(request, name), []).append(job.name)
    chunks = [
        (request, jobs[start : start + TASKS_MAX])
        for request, jobs in groups.items()
        for start in range(0, len(jobs), TASKS_MAX)
    ]
    return tuple(
        Array(f"array-{number}", _with_tasks(request, len(jobs)), tuple(jobs))
        for number, (request, jobs) in enumerate(chunks, 1)
    )


def _without_name(request: Request, name: str) -> Request:
    """An array has one name, and where each task has its own output, one form of names for that."""
    changes = {"job-name": name}
    options = [(key, changes.get(key, value)) for key, value in request.options]
    options = [
        (key, ARRAY_OUTPUT if (key, value) == ("output", JOB_OUTPUT) else value) for key, value in options
    ]
    return Request(tuple(options), request.modules, request.limit_s)


def _with_tasks(request: Request, count: int) -> Request:
    return Request((*request.options, ("array", f"0-{count - 1}")), request.modules, request.limit_s)

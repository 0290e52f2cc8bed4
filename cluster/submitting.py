"""Submitting by one call, and what has no Job: a job file that was made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.commands import Command
from cluster.engines import client_for
from cluster.errors import ClusterError
from cluster.failures import NotSubmitted, doubt_of
from cluster.job import Job
from cluster.modes import Mode, current_mode
from cluster.scripts import check_path


def make_job(
    command: Command,
    args: Sequence[object] | None = None,
    kwargs: Mapping[str, object] | None = None,
    name: str | None = None,
    path: str | Path | None = None,
    qtype: str | Mode | None = None,
    profile: str | None = None,
    *,
    array: int | None = None,
    **options: Any,
) -> Job:
    """A Job, neither written nor submitted; see ``Job`` for the arguments and errors."""
    return Job(command, args, kwargs, name, path, qtype, profile, array=array, **options)


def make_job_file(*args: Any, **kwargs: Any) -> Job:
    """As ``make_job``, with its job file written (``job.plan.files.script``)."""
    return make_job(*args, **kwargs).write()


def submit(*args: Any, **kwargs: Any) -> Job:
    """Submit a command; takes what ``make_job`` takes. ``submit("make").get()`` returns its output."""
    return make_job(*args, **kwargs).submit()


def submit_file(
    script_file: str | Path,
    dependencies: Job | str | int | Iterable[Job | str | int] = (),
    qtype: str | Mode | None = None,
) -> str:
    """Submit a job file that is there, to start when the ``dependencies`` have completed; returns its id.

    Raises ClusterError if it isn't a file, NotSubmitted for a dependency, and ClusterError with the queue's
    own words.
    """
    script = check_path(Path(script_file).absolute())
    if not script.is_file():
        raise ClusterError(
            f"{script_file} can't be submitted", "it is no file", f"see: ls -l {script.parent}"
        )
    given: list[Job | str | int] = (
        [dependencies] if isinstance(dependencies, Job | str | int) else list(dependencies)
    )
    after = [_id_of(one) for one in given]
    with doubt_of(str(script_file)):
        return client_for(current_mode(qtype)).engine.submit_file(script, after)


def _id_of(job: Job | str | int) -> str:
    if not isinstance(job, Job):
        return str(job)
    if job.id is None:
        raise NotSubmitted(f"{job.title} isn't submitted", "so nothing can wait for it", "submit it first")
    return job.id


def clean(jobs: Job | Iterable[Job]) -> None:
    """Delete all files that these jobs wrote. Raises ClusterError for one that is waiting or running."""
    for job in [jobs] if isinstance(jobs, Job) else list(jobs):
        job.clean()

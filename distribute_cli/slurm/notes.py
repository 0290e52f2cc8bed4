"""What of a job file Slurm has nothing for, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from distribute_cli.words import count, join
from distribute_compute_config.models import AnyJob, JobFile, effective_resources, effective_slurm


def list_notes(jobfile: JobFile) -> Iterator[str]:
    """A line for each thing that isn't carried over, or that Slurm decides."""
    meta, jobs = jobfile.meta, jobfile.jobs
    if meta.capabilities:
        names = join(meta.capabilities)
        yield f"capabilities ({names}): ask for such machines by constraint or modules"
    if meta.after:
        yield f"after ({join(meta.after)}): submit this one when they have ended"
    if meta.matrix:
        yield "matrix: Slurm sends mail instead, with mail_user and mail_type"
    untimed = [job.name for job in jobs if _lacks_time(jobfile, job)]
    if untimed:
        yield f"{count(len(untimed), 'job')} without time ({join(untimed)}): the partition's limit holds"
    small = [job.name for job in jobs if _lacks_cores(jobfile, job)]
    if small:
        yield (
            f"{count(len(small), 'job')} without cores ({join(small)}): "
            "a node of a spool gives all it has, Slurm mostly one core"
        )


def _lacks_time(jobfile: JobFile, job: AnyJob) -> bool:
    return not effective_slurm(jobfile, job).time and not effective_resources(jobfile, job).time


def _lacks_cores(jobfile: JobFile, job: AnyJob) -> bool:
    section = effective_slurm(jobfile, job)
    given = section.cpus_per_task or section.ntasks or effective_resources(jobfile, job).cores
    return not given

"""From a job file and its inputs' contents to the records of a batch. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace

from distribute_compute_config.eviction import effective_eviction
from distribute_compute_config.loading import LoadedJobFile
from distribute_compute_config.models import (
    AnyJob,
    CommandInitialize,
    CommandJob,
    File,
    Initialize,
    JobFile,
    PythonInitialize,
    PythonJob,
    effective_priority,
    effective_resources,
    effective_retries,
)
from distribute_compute_config.quantities import parse_duration, parse_memory
from distribute_compute_config.sweeps import Values
from spoold.drops import Drop
from spoold.layout import FORMAT
from spoold.records import BatchHeader, BatchJobs, Input, JobSpec, Resources

#: What each template becomes, by its path and the combination that it is filled in with.
Rendered = Mapping[tuple[str, Values], Input]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is ready to be admitted; ``text`` is its job file as it was submitted."""

    header: BatchHeader
    jobs: BatchJobs
    text: str


def compile_batch(
    loaded: LoadedJobFile,
    contents: Mapping[str, Input],
    drop: Drop,
    submitter: str,
    source: str,
    rendered: Rendered | None = None,
    architecture: str | None = None,
) -> Batch:
    """``contents`` has an entry for each path that the job file names, ``rendered`` those of templates.

    ``architecture`` is that of its image.
    """
    jobfile = loaded.jobfile
    header = BatchHeader(
        format=FORMAT,
        id=drop.id,
        namespace=jobfile.meta.namespace,
        batch=jobfile.meta.batch_name,
        kind=jobfile.kind.value,
        submitter=submitter,
        submitter_uid=drop.uid,
        submitted_at=drop.submitted_at,
        source=source,
        jobs_total=len(jobfile.jobs),
        capabilities=tuple(jobfile.meta.capabilities),
        matrix=jobfile.meta.matrix,
        after=tuple(jobfile.meta.after),
        architecture=architecture,
    )
    jobs = BatchJobs(tuple(_compile_job(jobfile, job, contents, rendered or {}) for job in jobfile.jobs))
    return Batch(_with_initialize(header, jobfile, contents), jobs, loaded.text)


def _with_initialize(header: BatchHeader, jobfile: JobFile, contents: Mapping[str, Input]) -> BatchHeader:
    initialize = jobfile.section.initialize
    if initialize is None:
        return header
    header = replace(header, initial_files=_named(initialize.required_files, contents))
    if isinstance(initialize, PythonInitialize):
        return replace(header, build_script=_as(initialize.build_file, "build.py", contents))
    if isinstance(initialize, CommandInitialize):
        return replace(header, build_command=initialize.build)
    assert isinstance(initialize, Initialize)
    image = _as(initialize.sif, posixpath.basename(initialize.sif.path), contents)
    return replace(header, image=image, required_mounts=tuple(initialize.required_mounts))


def _compile_job(jobfile: JobFile, job: AnyJob, contents: Mapping[str, Input], rendered: Rendered) -> JobSpec:
    eviction = effective_eviction(jobfile, job)
    return JobSpec(
        name=job.name,
        script=_as(job.file, "job.py", contents) if isinstance(job, PythonJob) else None,
        command=job.command if isinstance(job, CommandJob) else None,
        inputs=tuple(
            replace(rendered[file.path, job.sweep], name=file.name)
            if file.template
            else _as(file, file.name, contents)
            for file in job.required_files
        ),
        resources=_resources(jobfile, job),
        priority=effective_priority(jobfile, job),
        retries=effective_retries(jobfile, job),
        depends=tuple(job.depends),
        on_evict=eviction.signal,
        evict_grace_s=eviction.grace_s,
        resume=eviction.resume,
    )


def _resources(jobfile: JobFile, job: AnyJob) -> Resources:
    asked = effective_resources(jobfile, job)
    return Resources(
        cores=asked.cores,
        memory_bytes=None if asked.memory is None else parse_memory(asked.memory),
        gpus=asked.gpus,
        time_s=None if asked.time is None else parse_duration(asked.time),
    )


def _named(files: tuple[File, ...], contents: Mapping[str, Input]) -> tuple[Input, ...]:
    return tuple(_as(file, file.name, contents) for file in files)


def _as(file: File, name: str, contents: Mapping[str, Input]) -> Input:
    return replace(contents[file.path], name=name)

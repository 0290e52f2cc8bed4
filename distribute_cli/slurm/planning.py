"""From a job file to the folder that Slurm runs: every file with its content, as values. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from distribute_cli.slurm import containers
from distribute_cli.slurm.arrays import Array, group_jobs
from distribute_cli.slurm.material import Circumstances, Material
from distribute_cli.slurm.notes import list_notes
from distribute_cli.slurm.options import Request, request_build, request_jobs
from distribute_cli.slurm.plan import (
    Cluster,
    CopiedFile,
    Export,
    ExportFile,
    FilledFile,
    Submission,
    TextFile,
)
from distribute_cli.slurm.scripts import job_script, readme, schedule_script, upload_script
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.eviction import effective_eviction
from distribute_compute_config.loading import LoadedJobFile
from distribute_compute_config.models import (
    AnyJob,
    CommandInitialize,
    CommandJob,
    File,
    Initialize,
    JobFile,
    Kind,
    PythonInitialize,
    PythonJob,
    effective_resources,
    effective_retries,
)
from nodewatch.timekeeping import explain_time
from spoold.codec import encode
from spoold.compiling import compile_batch
from spoold.drops import Drop, DropKind
from spoold.layout import HEADER_NAME, JOB_FILE_NAME

FORMAT = 1
MANIFEST = "export.json"
BUILD = "build"
#: What is submitted first; no job can be called so.
BUILD_NAME = "(build)"
_LEAST = (
    'write at least, beside meta: slurm: {time: "1:00:00"}, '
    "and in it what your cluster wants to know: partition, account, cpus_per_task"
)


class NoSection(DistributeError):
    """The job file doesn't say what Slurm needs to know."""


def plan_export(
    loaded: LoadedJobFile,
    material: Material,
    circumstances: Circumstances,
    cluster: Cluster,
    as_array: bool,
) -> Export:
    """The whole folder. Raises NoSection, or DistributeError where ``as_array`` can't be."""
    jobfile = loaded.jobfile
    require_sections(jobfile)
    arrays = group_jobs(jobfile) if as_array else ()
    submissions = tuple(_list_submissions(jobfile, arrays))
    notes = tuple(list_notes(jobfile))
    key = f"{jobfile.meta.namespace}/{jobfile.meta.batch_name}"
    files = (
        TextFile(MANIFEST, _manifest(jobfile, material, circumstances)),
        TextFile("README.md", readme(key, submissions, notes, cluster)),
        TextFile("rsync_upload.sh", upload_script(key, cluster), executable=True),
        TextFile("schedule_jobs.sh", schedule_script(key, submissions), executable=True),
        *(TextFile(f"runner/{name}", text) for name, text in circumstances.runner.items()),
        *_archive_files(loaded, material, circumstances),
        *_initialize_files(jobfile, material),
        *_job_files(jobfile, material, scripts=not as_array),
        *(file for array in arrays for file in _array_files(array)),
    )
    folders = ("initial_files", "work", *(f"jobs/{job.name}/input" for job in jobfile.jobs))
    meta = jobfile.meta
    return Export(
        meta.namespace,
        meta.batch_name,
        jobfile.kind.value,
        len(jobfile.jobs),
        files,
        folders,
        submissions,
        notes,
    )


def require_sections(jobfile: JobFile) -> None:
    """Raises NoSection unless each job, and the build, has a ``slurm`` section."""
    if jobfile.slurm is not None:
        return
    lacking = [job.name for job in jobfile.jobs if job.slurm is None]
    what = f"the {jobfile.kind.value} batch {jobfile.meta.namespace}/{jobfile.meta.batch_name}"
    if lacking:
        why = (
            "it has no slurm: section" if len(lacking) == len(jobfile.jobs) else f"{lacking[0]} has no slurm:"
        )
        raise NoSection(f"{what} can't be brought to Slurm", why, _LEAST)
    if _has_build(jobfile):
        raise NoSection(f"{what} can't be brought to Slurm", "its build has no slurm: section", _LEAST)


def _has_build(jobfile: JobFile) -> bool:
    initialize = jobfile.section.initialize
    command = isinstance(initialize, CommandInitialize) and initialize.build is not None
    return command or isinstance(initialize, PythonInitialize)


def _list_submissions(jobfile: JobFile, arrays: tuple[Array, ...]) -> Iterator[Submission]:
    """What others depend on first."""
    before = (BUILD_NAME,) if _has_build(jobfile) else ()
    for name in before:
        yield Submission(name, BUILD, f"{BUILD}/job.sh")
    for array in arrays:
        yield Submission(array.name, array.folder, f"{array.folder}/job.sh", before, len(array.jobs))
    for job in () if arrays else _in_order(jobfile):
        folder = f"jobs/{job.name}"
        yield Submission(job.name, folder, f"{folder}/job.sh", (*before, *job.depends))


def _in_order(jobfile: JobFile) -> Iterator[AnyJob]:
    """Jobs after those that they depend on, else as in the file; loading has refused circles."""
    left = {job.name: job for job in jobfile.jobs}
    for first in jobfile.jobs:
        # A stack of its own: a chain of 10,000 jobs is deeper than Python recurses.
        stack = [first.name] if first.name in left else []
        while stack:
            job = left.get(stack[-1])
            waiting = [name for name in job.depends if name in left] if job else []
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if job:
                yield left.pop(job.name)


def _manifest(jobfile: JobFile, material: Material, circumstances: Circumstances) -> str:
    """``export.json``, which makes the folder one of ours and tells the runner of the batch."""
    meta, initialize = jobfile.meta, jobfile.section.initialize
    build: list[str] | None = None
    if isinstance(initialize, PythonInitialize):
        build = ["python3", "./build.py"]
    elif isinstance(initialize, CommandInitialize) and initialize.build is not None:
        build = ["/bin/sh", "-c", initialize.build]
    return _json(
        {
            "format": FORMAT,
            "namespace": meta.namespace,
            "batch": meta.batch_name,
            "submitter": circumstances.submitter,
            "version": circumstances.version,
            "build": build,
            "build_id": _identify(jobfile, build, material),
            "links": jobfile.kind is Kind.COMMAND,
        }
    )


def _identify(jobfile: JobFile, build: list[str] | None, material: Material) -> str:
    """Another one where the build, or what it is made from, is another: an export may be brought again."""
    initialize = jobfile.section.initialize
    if build is None or initialize is None:
        return ""
    files = [(file.name, file) for file in initialize.required_files]
    if isinstance(initialize, PythonInitialize):
        files.append(("build.py", initialize.build_file))
    contents = [(name, material.contents[file.path]) for name, file in files]
    told = [build, *([name, one.sha256, one.executable] for name, one in contents)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _archive_files(
    loaded: LoadedJobFile, material: Material, circumstances: Circumstances
) -> Iterator[ExportFile]:
    """What a spool's archive has of a batch from its admission on."""
    meta = loaded.jobfile.meta
    source = f"{meta.batch_name}.slurm"
    drop = Drop(
        source, Path(source), DropKind.BUNDLE, circumstances.uid, source, (0, 0, 0), circumstances.now
    )
    rendered = {key: filled.entry for key, filled in material.filled.items()}
    batch = compile_batch(
        loaded,
        material.contents,
        drop,
        circumstances.submitter,
        loaded.source,
        rendered,
        material.architecture,
    )
    folder = f"archive/{meta.namespace}/{meta.batch_name}"
    yield TextFile(f"{folder}/{HEADER_NAME}", encode(batch.header).decode())
    yield TextFile(f"{folder}/{JOB_FILE_NAME}", loaded.text)


def _initialize_files(jobfile: JobFile, material: Material) -> Iterator[ExportFile]:
    initialize = jobfile.section.initialize
    if initialize is None:
        return
    for file in initialize.required_files:
        yield _copy(file, f"initial_files/{file.name}", material)
    if isinstance(initialize, Initialize):
        yield _copy(initialize.sif, containers.IMAGE, material)
    if isinstance(initialize, PythonInitialize):
        yield _copy(initialize.build_file, f"{BUILD}/build.py", material)
    if _has_build(jobfile):
        yield TextFile(f"{BUILD}/job.sh", job_script(request_build(jobfile), "build"), executable=True)


def _job_files(jobfile: JobFile, material: Material, scripts: bool) -> Iterator[ExportFile]:
    for job, request in request_jobs(jobfile):
        folder = f"jobs/{job.name}"
        if scripts:
            yield TextFile(f"{folder}/job.sh", job_script(request, "job", job.name), executable=True)
        yield TextFile(f"{folder}/job.json", _job_record(jobfile, job, request))
        if isinstance(job, PythonJob):
            yield _copy(job.file, f"{folder}/job.py", material)
        for file in job.required_files:
            path = f"{folder}/input/{file.name}"
            if file.template:
                filled = material.filled[file.path, job.sweep]
                yield FilledFile(path, filled.content, filled.entry.executable)
            else:
                yield _copy(file, path, material)


def _job_record(jobfile: JobFile, job: AnyJob, request: Request) -> str:
    """``job.json``: what the runner needs to know of a job."""
    eviction = effective_eviction(jobfile, job)
    asked = effective_resources(jobfile, job)
    initialize = jobfile.section.initialize
    if isinstance(job, PythonJob):
        start = {"argv": ["python3", "./job.py"], "takes_cores": True}
    elif isinstance(job, CommandJob):
        start = {"argv": ["/bin/sh", "-c", job.command], "takes_cores": False}
    else:
        assert isinstance(initialize, Initialize)
        start = containers.describe_start(initialize.required_mounts, _has_gpu(request))
    return _json(
        {
            **containers.NO_CONTAINER,
            "job": job.name,
            "time_s": asked.time,
            "over_time": explain_time(asked.time, paused_s=0) if asked.time else "",
            "retries": effective_retries(jobfile, job),
            "on_evict": eviction.signal,
            "resume": eviction.resume,
            "limit_s": request.limit_s,
            **start,
        }
    )


def _has_gpu(request: Request) -> bool:
    asked = dict(request.options).get("gres", "").split(",")
    return any(one.startswith("gpu") for one in asked)


def _array_files(array: Array) -> Iterator[ExportFile]:
    tasks = f"{array.folder}/tasks"
    script = job_script(array.request, "task", tasks)
    yield TextFile(f"{array.folder}/job.sh", script, executable=True)
    yield TextFile(tasks, "".join(f"{name}\n" for name in array.jobs))


def _copy(file: File, path: str, material: Material) -> CopiedFile:
    entry = material.contents[file.path]
    return CopiedFile(path, file.path, entry.sha256, entry.size_bytes, entry.executable)


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"

"""A job file as frozen models: ``meta`` and one section, ``python``, ``command`` or ``apptainer``.

Plain names (``Job``, ``Initialize``, ``Description``) are the apptainer section's, as in the Python API.
"""

from __future__ import annotations

import posixpath
from enum import Enum
from typing import Annotated, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from distribute_compute_config.checks import find_contradictions
from distribute_compute_config.fields import (
    BatchKeys,
    Combination,
    Duration,
    EvictSignal,
    Grace,
    Jobs,
    MatrixId,
    Memory,
    Mounts,
    Name,
    Path,
    Priority,
    Retries,
    Several,
    SweptName,
    Text,
    check_input_name,
    complain,
)
from distribute_compute_config.problems import describe_loc
from distribute_compute_config.slurm_options import Slurm
from distribute_compute_config.strict import StrictModel


class Kind(Enum):
    """Which section a job file has; the value is the section's key."""

    PYTHON = "python"
    COMMAND = "command"
    APPTAINER = "apptainer"


class File(StrictModel):
    """A file to bring along. In a job file its path alone is enough: ``file: run.py``."""

    path: Path = Field(examples=["configs/job_1.json"])
    """Where the file is; a relative path starts at the folder of the job file, ~ is not expanded."""
    alias: SweptName | None = Field(default=None, examples=["input.json"])
    """What it is called on the node; its own name if there is none."""
    template: StrictBool = False
    """Whether {re} is replaced in its content too, for each parameter of the job's sweep."""

    @property
    def name(self) -> str:
        """What the file is called on the node: the alias, or the last part of the path."""
        return self.alias if self.alias is not None else posixpath.basename(self.path)


def _spell_out(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


def _check_named(file: File) -> File:
    check_input_name(file.path, file.name)
    return file


Script = Annotated[File, BeforeValidator(_spell_out, json_schema_input_type=File | str)]
"""A file whose name on the node is fixed: build.py, job.py, the image."""
Input = Annotated[Script, AfterValidator(_check_named)]
"""A file that appears in ``input/`` under its name."""


class Resources(StrictModel):
    """What a job needs. Without any, it gets a whole node."""

    cores: StrictInt | None = Field(default=None, ge=1, le=65536, examples=[4])
    """Cores; the job is told their number."""
    memory: Memory | None = Field(default=None, examples=["12G"])
    """Main memory: 12G, 512M, 1.5GiB, or a number of bytes. G is 1024³ bytes."""
    gpus: StrictInt | None = Field(default=None, ge=0, le=1024, examples=[1])
    """Graphics cards."""
    time: Duration | None = Field(default=None, examples=["2h", "1h30m"])
    """The longest that the job may run: 2h, 1h30m10s, "1:00:00", "2-00:00:00", or a number of seconds."""

    def override(self, by: Resources | None) -> Resources:
        """These resources, with every field that ``by`` sets taken from there."""
        return self if by is None else self.model_copy(update=by.model_dump(exclude_none=True))


class Meta(StrictModel):
    """What the batch is called, who hears of it, and which nodes can run it."""

    batch_name: Name = Field(examples=["your_jobset_name"])
    """The name of this batch, unique in its namespace."""
    namespace: Name = Field(examples=["example_namespace"])
    """Where several batches live together: a person, a project."""
    matrix: MatrixId | None = Field(default=None, examples=["@user:server"])
    """The Matrix user who is told when the batch has ended (in quotes), or ~ for nobody."""
    capabilities: Several[Name] = Field(default=(), examples=[["gfortran", "python3"]])
    """What a node must have, all of it, to run these jobs."""
    resources: Resources | None = None
    """What each job needs, unless the job says otherwise."""
    priority: Priority = 0
    """Of two batches that could run, the higher number goes first."""
    retries: Retries = 0
    """How often a job that failed is tried again."""
    after: BatchKeys = Field(default=(), examples=[["anna/meshes"]])
    """Batches all of whose jobs must have succeeded before a job of this one starts."""
    on_evict: EvictSignal | None = Field(default=None, examples=["SIGUSR1"])
    """The signal that a job gets first when its node needs the memory back."""
    evict_grace: Grace | None = Field(default=None, examples=["30s"])
    """How long the job then has before it is ended, at most 1h."""
    resume: StrictBool = False
    """Whether an evicted job finds what it had saved as input/resume/ when it runs again."""


class JobBase(StrictModel):
    """What jobs of every kind have."""

    name: SweptName = Field(examples=["job_1"])
    """The name of the job, unique in its batch."""
    sweep: Combination = Field(default=(), examples=[{"re": [100, 400], "n": [64, 128]}])
    """Makes a job of each combination of values: {re} is replaced in name, command, depends and files."""
    required_files: Several[Input] = Field(
        default=(), examples=[[{"path": "job_1.json", "alias": "input.json"}]]
    )
    """Files that appear in input/ for this job, beside those of initialize."""
    resources: Resources | None = None
    """What this job needs; each field set here goes before the batch's."""
    priority: Priority | None = None
    """Goes before the batch's."""
    retries: Retries | None = None
    """Goes before the batch's."""
    on_evict: EvictSignal | None = None
    """Goes before the batch's."""
    evict_grace: Grace | None = None
    """Goes before the batch's."""
    resume: StrictBool | None = None
    """Goes before the batch's."""
    depends: Several[SweptName] = Field(default=(), examples=[["job_1"]])
    """Jobs of this batch that must have succeeded before this one starts."""
    slurm: Slurm | None = None
    """Options of sbatch for this job; each key set here goes before the batch's."""


class InitializeBase(StrictModel):
    """What the initialize sections of every kind have."""

    required_files: Several[Input] = Field(default=(), examples=[[{"path": "mesh.dat"}]])
    """Files that appear in input/ for the build and for every job."""


class PythonJob(JobBase):
    """A job that runs as ``python3 ./job.py CORES``."""

    file: Script = Field(examples=["execute_job.py"])
    """The Python script to run; on the node it is called job.py."""


class PythonInitialize(InitializeBase):
    """How the solver is built, once a node."""

    build_file: Script = Field(examples=["build.py"])
    """The Python script that builds the solver; on the node it is called build.py."""


class PythonDescription(StrictModel):
    """The section of a batch of Python scripts."""

    initialize: PythonInitialize
    jobs: Jobs[PythonJob]


class CommandJob(JobBase):
    """A job that runs a command line."""

    command: Text = Field(examples=["./solver input/input.json"])
    """The command line to run."""


class CommandInitialize(InitializeBase):
    """How the solver is built, once a node."""

    build: Text | None = Field(default=None, examples=["make -j"])
    """The command line that builds the solver; nothing is built without one."""


class CommandDescription(StrictModel):
    """The section of a batch of command lines."""

    initialize: CommandInitialize | None = None
    jobs: Jobs[CommandJob]


class Job(JobBase):
    """A job that runs the image of its batch."""


class Initialize(InitializeBase):
    """The image, and which of its folders jobs may write to."""

    sif: Script = Field(examples=["execute_container.sif"])
    """The image, as ``apptainer build`` made it; on the node it is called image.sif."""
    required_mounts: Mounts = Field(default=(), examples=[["/solver/output"]])
    """Absolute paths of folders inside the container that a job may write to."""


class Description(StrictModel):
    """The section of a batch of apptainer jobs."""

    initialize: Initialize
    jobs: Jobs[Job]


AnyJob: TypeAlias = PythonJob | CommandJob | Job
AnySection: TypeAlias = PythonDescription | CommandDescription | Description


class JobFile(StrictModel):
    """A whole job file: a batch and its jobs. Exactly one of the three sections is there."""

    meta: Meta
    python: PythonDescription | None = None
    command: CommandDescription | None = None
    apptainer: Description | None = None
    slurm: Slurm | None = None
    """Options of sbatch for each job, for ``distribute slurm``; nodes of a spool ignore them."""

    @model_validator(mode="after")
    def _check_as_a_whole(self) -> JobFile:
        findings = find_contradictions(self.model_dump())
        if findings:
            raise complain("; ".join(f"{describe_loc(one.loc)}: {one.why}" for one in findings))
        return self

    @property
    def kind(self) -> Kind:
        """Which of the sections this file has."""
        return next(kind for kind in Kind if getattr(self, kind.value) is not None)

    @property
    def section(self) -> AnySection:
        """The one section that this file has."""
        section: AnySection = getattr(self, self.kind.value)
        return section

    @property
    def jobs(self) -> tuple[AnyJob, ...]:
        """The jobs, in the order of the file."""
        return self.section.jobs


# How the Python API calls a job file of each kind.
PythonConfig: TypeAlias = JobFile
CommandConfig: TypeAlias = JobFile
ApptainerConfig: TypeAlias = JobFile


def effective_priority(jobfile: JobFile, job: JobBase) -> int:
    """The job's priority, else its batch's; the higher number goes first."""
    return jobfile.meta.priority if job.priority is None else job.priority


def effective_retries(jobfile: JobFile, job: JobBase) -> int:
    """How often the job is tried again after a failure: its own number, else its batch's."""
    return jobfile.meta.retries if job.retries is None else job.retries


def effective_resources(jobfile: JobFile, job: JobBase) -> Resources:
    """What the job needs: each field its own where it sets one, else its batch's, else None."""
    return (jobfile.meta.resources or Resources()).override(job.resources)


def effective_slurm(jobfile: JobFile, job: JobBase) -> Slurm:
    """The options of sbatch: each the job's own where it sets one, else its batch's, else None."""
    return (jobfile.slurm or Slurm()).override(job.slurm)

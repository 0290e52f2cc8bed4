"""Keywords of the Python API; each means what the key of its name does in a job file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias, TypedDict

from distribute_compute_config.models import JobBase, JobFile, Resources
from distribute_compute_config.slurm_options import Slurm

Duration: TypeAlias = str | float | timedelta
"""``"1h30m"``, ``"1:30:00"``, a number of seconds, or a timedelta."""


class BatchKeywords(TypedDict, total=False):
    """What ``metadata`` takes beside the names of the batch."""

    resources: Resources | Mapping[str, object] | None
    """What each job needs, unless the job says otherwise: see ``resources()``."""
    priority: int
    """Of two batches that could run, the higher number goes first; 0 without one, from -1000 to 1000."""
    retries: int
    """How often a job that failed is tried again; 0 without one, at most 100."""
    after: str | JobFile | Sequence[str | JobFile]
    """Batches that must have ended well before: ``"NAMESPACE/BATCH"``, or their configs."""
    on_evict: str | None
    """The signal that a job gets first when its node needs the memory back: ``"SIGUSR1"``."""
    evict_grace: Duration | None
    """How long the job then has before it is ended, at most 1h."""
    resume: bool
    """Whether an evicted job finds what it had saved as input/resume/ when it runs again."""


class JobKeywords(TypedDict, total=False):
    """What a job of any kind takes beside its name and its files; it goes before what the batch says."""

    resources: Resources | Mapping[str, object] | None
    """What the job needs: see ``resources()``. A job that says nothing gets a whole node."""
    priority: int | None
    """Goes before the batch's."""
    retries: int | None
    """Goes before the batch's."""
    depends: Sequence[str | JobBase]
    """Jobs of this batch that must have succeeded before: their names, or what ``job()`` returned."""
    slurm: Slurm | Mapping[str, object] | None
    """Options of sbatch for this job: see ``slurm()``."""
    on_evict: str | None
    """Goes before the batch's."""
    evict_grace: Duration | None
    """Goes before the batch's."""
    resume: bool | None
    """Goes before the batch's."""


class SlurmKeywords(TypedDict, total=False):
    """Options of sbatch, each called as its key in a job file; sbatch(1) tells more."""

    job_name: str | None
    """What Slurm calls the job; its name if there is none."""
    output: str | None
    """Where Slurm writes what the job's script says, from the job's folder."""
    nodes: int | None
    """Machines of one job."""
    ntasks: int | None
    """Processes that the job starts with srun or mpirun."""
    cpus_per_task: int | None
    """Cores of each task; goes before cores of resources."""
    mem_per_cpu: str | int | None
    """Memory of each core, ``"2G"`` or a number of MiB; goes before memory of resources."""
    hint: str | None
    """``compute_bound``, ``memory_bound``, ``multithread`` or ``nomultithread``."""
    time: str | int | None
    """The longest that the job may run, ``"1:00:00"`` or minutes; goes before time of resources."""
    partition: str | None
    """The queue, or several with commas between."""
    account: str | None
    """Who is charged."""
    mail_user: str | None
    """Who gets Slurm's mail."""
    mail_type: str | Sequence[str] | None
    """What Slurm sends mail about: ``"END"``, ``"BEGIN,END"`` or a list."""
    constraint: str | None
    """Features that the machine must have."""
    gres: str | None
    """Generic resources, ``"gpu:a100:1"``; goes before gpus of resources."""
    qos: str | None
    """Quality of service."""
    modules: Sequence[str] | None
    """What ``module load`` loads before the job and the build."""

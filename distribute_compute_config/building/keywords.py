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
    """What ``metadata`` takes beside the names of the batch.

    ``resources``: what each job needs, unless the job says otherwise: see ``resources()``.
    ``priority``: of two batches that could run, the higher number goes first; from -1000 to 1000, else 0.
    ``retries``: how often a job that failed is tried again; 0 without one, at most 100.
    ``after``: batches that must have ended well before: ``"NAMESPACE/BATCH"``, or their configs.
    ``on_evict``: the signal that a job gets first when its node needs the memory back: ``"SIGUSR1"``.
    ``evict_grace``: how long the job then has before it is ended, at most 1h.
    ``resume``: whether an evicted job finds what it had saved as input/resume/ when it runs again.
    """

    resources: Resources | Mapping[str, object] | None
    priority: int
    retries: int
    after: str | JobFile | Sequence[str | JobFile]
    on_evict: str | None
    evict_grace: Duration | None
    resume: bool


class JobKeywords(TypedDict, total=False):
    """What a job of any kind takes beside its name and files. It goes before what the batch says.

    ``resources``: what the job needs: see ``resources()``. A job that says nothing gets a whole node.
    ``depends``: jobs of this batch that must have succeeded before: what ``job()`` returned, or names.
    ``slurm``: options of sbatch for this job: see ``slurm()``.
    ``priority``, ``retries``, ``on_evict``, ``evict_grace``, ``resume``: as in ``BatchKeywords``.
    """

    resources: Resources | Mapping[str, object] | None
    priority: int | None
    retries: int | None
    depends: Sequence[str | JobBase]
    slurm: Slurm | Mapping[str, object] | None
    on_evict: str | None
    evict_grace: Duration | None
    resume: bool | None


class SlurmKeywords(TypedDict, total=False):
    """Options of sbatch, each called as its key in a job file; sbatch(1) tells more.

    ``job_name``: what Slurm calls the job; its name if there is none.
    ``output``: where Slurm writes what the job's script says, from the job's folder.
    ``nodes``: machines of one job.
    ``ntasks``: processes that the job starts with srun or mpirun.
    ``cpus_per_task``: cores of each task; goes before cores of resources.
    ``mem_per_cpu``: memory of each core, ``"2G"`` or a number of MiB; goes before memory of resources.
    ``hint``: ``compute_bound``, ``memory_bound``, ``multithread`` or ``nomultithread``.
    ``time``: the longest that the job may run, ``"1:00:00"`` or minutes; goes before time of resources.
    ``partition``: the queue, or several with commas between.
    ``account``: who is charged.
    ``mail_user``: who gets Slurm's mail.
    ``mail_type``: what Slurm sends mail about: ``"END"``, ``"BEGIN,END"`` or a list.
    ``constraint``: features that the machine must have.
    ``gres``: generic resources, ``"gpu:a100:1"``; goes before gpus of resources.
    ``qos``: quality of service.
    ``modules``: what ``module load`` loads before the job and the build.
    """

    job_name: str | None
    output: str | None
    nodes: int | None
    ntasks: int | None
    cpus_per_task: int | None
    mem_per_cpu: str | int | None
    hint: str | None
    time: str | int | None
    partition: str | None
    account: str | None
    mail_user: str | None
    mail_type: str | Sequence[str] | None
    constraint: str | None
    gres: str | None
    qos: str | None
    modules: Sequence[str] | None

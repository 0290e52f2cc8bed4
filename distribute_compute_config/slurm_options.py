"""The ``slurm`` section of a batch and of a job: options of ``sbatch``. Nodes of a spool ignore it."""

from __future__ import annotations

from pydantic import Field

from distribute_compute_config.slurm_fields import (
    Count,
    Line,
    MailTypes,
    SlurmHint,
    SlurmMemory,
    SlurmTime,
    Word,
)
from distribute_compute_config.strict import StrictModel


class Slurm(StrictModel):
    """What ``distribute slurm`` tells Slurm of a job."""

    job_name: Line | None = Field(default=None, examples=["cavity"])
    """What Slurm calls the job; its name if there is none."""
    output: Line | None = Field(default=None, examples=["slurm-%j.out"])
    """Where Slurm writes what the job's script says, from the job's folder; sbatch's % patterns work."""
    nodes: Count | None = None
    """Machines of one job."""
    ntasks: Count | None = None
    """Processes that the job starts with srun or mpirun."""
    cpus_per_task: Count | None = Field(default=None, examples=[4])
    """Cores of each task; goes before cores of resources."""
    mem_per_cpu: SlurmMemory | None = Field(default=None, examples=["2G"])
    """Memory of each core, 10M, 2G or a number of MiB; goes before memory of resources."""
    hint: SlurmHint | None = None
    """How tasks are bound to cores."""
    time: SlurmTime | None = Field(default=None, examples=["1:00:00"])
    """The longest that the job may run; a number is one of minutes. Goes before time of resources."""
    partition: Word | None = Field(default=None, examples=["compute"])
    """The queue, or several with commas between."""
    account: Word | None = None
    """Who is charged."""
    mail_user: Word | None = Field(default=None, examples=["anna@example.org"])
    """Who gets Slurm's mail."""
    mail_type: MailTypes = Field(default=None, examples=["END"])
    """What Slurm sends mail about: BEGIN, END, FAIL, ALL …, one, several with commas, or a list."""
    constraint: Word | None = Field(default=None, examples=["skylake"])
    """Features that the machine must have."""
    gres: Word | None = Field(default=None, examples=["gpu:a100:1"])
    """Generic resources; goes before gpus of resources."""
    qos: Word | None = None
    """Quality of service."""
    modules: tuple[Word, ...] | None = Field(default=None, examples=[["gcc/12.2"]])
    """What ``module load`` loads before the job and the build."""

    def override(self, by: Slurm | None) -> Slurm:
        """This section, with every field that ``by`` sets taken from there."""
        if by is None:
            return self
        given = {name: getattr(by, name) for name in Slurm.model_fields}
        return self.model_copy(update={name: value for name, value in given.items() if value is not None})

"""What jobs ask for when their node needs the memory back."""

from __future__ import annotations

from dataclasses import dataclass

from distribute_compute_config.models import JobBase, JobFile


@dataclass(frozen=True, slots=True)
class Eviction:
    """What a job asks for when its node needs the memory back; None leaves it to the node."""

    signal: str | None
    grace_s: float | None
    resume: bool


def effective_eviction(jobfile: JobFile, job: JobBase) -> Eviction:
    """Each key the job's own where it sets one, else its batch's."""
    meta = jobfile.meta
    return Eviction(
        meta.on_evict if job.on_evict is None else job.on_evict,
        meta.evict_grace if job.evict_grace is None else job.evict_grace,
        meta.resume if job.resume is None else job.resume,
    )

"""What ``sbatch`` is told of a job: its ``slurm`` section, else what its other keys ask for. Pure.

Source: sbatch(1) of Slurm 22.05.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from distribute_compute_config.eviction import effective_eviction
from distribute_compute_config.models import (
    AnyJob,
    JobFile,
    Resources,
    effective_priority,
    effective_resources,
    effective_retries,
    effective_slurm,
)
from distribute_compute_config.quantities import parse_duration, parse_memory
from distribute_compute_config.slurm_options import Slurm

Options = tuple[tuple[str, str], ...]
"""Long options without their dashes, each with its value; ``""`` where it has none."""

JOB_OUTPUT, ARRAY_OUTPUT = "slurm-%j.out", "slurm-%A_%a.out"
#: For what the runner does before and after the attempts: copying, checksums.
_AROUND_S = 120
_GRACE_S = 60.0
_UNQUOTED = re.compile(r"[A-Za-z0-9_./:=@%+,-]*", re.ASCII)
_time = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """What one job asks Slurm for. ``limit_s`` is for all its attempts; None: the partition's limit holds."""

    options: Options
    modules: tuple[str, ...]
    limit_s: float | None


def request_jobs(jobfile: JobFile) -> Iterator[tuple[AnyJob, Request]]:
    """What each job asks for; its ``slurm`` keys go before what ``resources`` and the like would give."""
    highest = max(effective_priority(jobfile, job) for job in jobfile.jobs)
    return ((job, _request_job(jobfile, job, highest)) for job in jobfile.jobs)


def _request_job(jobfile: JobFile, job: AnyJob, highest: int) -> Request:
    section = effective_slurm(jobfile, job)
    asked = effective_resources(jobfile, job)
    attempts = 1 + effective_retries(jobfile, job)
    # Slurm lets users only lower a priority: the batch's highest is left alone.
    behind = highest - effective_priority(jobfile, job)
    nice = [("nice", str(behind))] if behind else []
    extra = [*_evict(jobfile, job), *nice, ("requeue", ""), ("open-mode", "append")]
    return _request(section, asked, attempts, job.name, extra)


def request_build(jobfile: JobFile) -> Request:
    """What the build asks for: the batch's own section, and no graphics card that nobody asked Slurm for."""
    asked = (jobfile.meta.resources or Resources()).override(Resources(gpus=0))
    section = jobfile.slurm or Slurm()
    return _request(section, asked, 1, f"{jobfile.meta.batch_name}-build", [])


def _request(
    section: Slurm, asked: Resources, attempts: int, name: str, extra: list[tuple[str, str]]
) -> Request:
    limit_s = _limit_s(section, asked, attempts)
    options = {
        "job-name": section.job_name or name,
        "output": section.output or JOB_OUTPUT,
        "nodes": section.nodes,
        "ntasks": section.ntasks,
        "cpus-per-task": section.cpus_per_task or asked.cores,
        **_memory(section, asked),
        "hint": section.hint and section.hint.value,
        "time": section.time or (None if limit_s is None else write_time(limit_s)),
        "partition": section.partition,
        "account": section.account,
        "qos": section.qos,
        "constraint": section.constraint,
        "gres": section.gres or (f"gpu:{asked.gpus}" if asked.gpus else None),
        "mail-user": section.mail_user,
        "mail-type": ",".join(one.value for one in section.mail_type or ()),
    }
    given = [(name, str(value)) for name, value in options.items() if value]
    return Request((*given, *extra), section.modules or (), limit_s)


def _memory(section: Slurm, asked: Resources) -> dict[str, str]:
    if section.mem_per_cpu:
        return {"mem-per-cpu": section.mem_per_cpu}
    if asked.memory is None:
        return {}
    return {"mem": f"{math.ceil(parse_memory(asked.memory) / 2**20)}M"}


def _limit_s(section: Slurm, asked: Resources, attempts: int) -> float | None:
    if section.time:
        return read_time(section.time)
    if asked.time is None:
        return None
    return math.ceil((parse_duration(asked.time) * attempts + _AROUND_S) / 60) * 60.0


def _evict(jobfile: JobFile, job: AnyJob) -> list[tuple[str, str]]:
    """Slurm's warning before it ends a job, in place of a node's before an eviction."""
    eviction = effective_eviction(jobfile, job)
    if eviction.signal is None:
        return []
    grace_s = _GRACE_S if eviction.grace_s is None else eviction.grace_s
    return [("signal", f"B:{eviction.signal.removeprefix('SIG')}@{math.ceil(grace_s)}")]


def read_time(text: str) -> float:
    """Seconds meant by a time limit of Slurm, whose first part is minutes, hours or days."""
    found = _time.fullmatch(text)
    assert found, text
    days, *parts = found.groups()
    given = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = [*given, 0, 0][:3]
        return int(days) * 86400 + hours * 3600 + minutes * 60 + seconds
    if len(given) == 3:
        return given[0] * 3600 + given[1] * 60 + given[2]
    minutes, seconds = [*given, 0][:2]
    return minutes * 60.0 + seconds


def write_time(duration_s: float) -> str:
    """``1-02:03:04``, rounded up to seconds."""
    minutes, seconds = divmod(math.ceil(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}-{hours:02}:{minutes:02}:{seconds:02}"


def render_options(options: Options) -> str:
    """``#SBATCH`` lines. Odd values are quoted: none ends early or begins another option."""
    return "".join(f"#SBATCH --{name}{_assign(value)}\n" for name, value in options)


def _assign(value: str) -> str:
    if not value or _UNQUOTED.fullmatch(value):
        return f"={value}" if value else ""
    # Backslashes alone don't do: at an escaped space the value ends all the same.
    escaped = re.sub(r'([\\"])', r"\\\1", value)
    return f'="{escaped}"'

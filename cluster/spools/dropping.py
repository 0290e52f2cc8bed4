"""Bringing a job to a spool: one batch, with a job for each task."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import logme
from cluster.errors import ClusterError
from cluster.options import SpoolRequest, to_spool
from cluster.spools.ids import SpoolId, parse_id
from distribute_compute_config.dumping import dump_text
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.loading import load_text
from distribute_compute_config.models import (
    CommandDescription,
    CommandJob,
    File,
    JobFile,
    Meta,
    Resources,
)
from spoold.bundles import collect, drop_bundle
from spoold.spool import Spool


@dataclass(frozen=True, slots=True)
class Shipped:
    """A file that a job finds as ``input/NAME`` and beside itself."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A job of a batch: its name there, a shell's command line, and what travels with it."""

    name: str
    command: str
    files: tuple[Shipped, ...] = ()


def make_batch(
    batch: SpoolId, pieces: Sequence[Piece], options: Mapping[str, Any], after: Sequence[str] = ()
) -> JobFile:
    """The job file of a job with ``options``, to start when the jobs ``after`` have completed. Pure.

    Raises ClusterError for an id in ``after`` that isn't a whole job's.
    """
    asked = to_spool(options)
    if asked.inexpressible:
        logme.log(f"left out, since they mean nothing here: {', '.join(asked.inexpressible)}", "debug")
    meta = Meta(
        batch_name=batch.batch,
        namespace=batch.namespace,
        capabilities=asked.capabilities,
        resources=_resources(asked),
        priority=asked.priority,
        retries=asked.retries,
        after=tuple(dict.fromkeys(map(_batch_of, after))),
    )
    jobs = tuple(
        CommandJob(
            name=piece.name,
            command=piece.command,
            required_files=tuple(File(path=str(one.path), alias=one.name) for one in piece.files),
        )
        for piece in pieces
    )
    return JobFile(meta=meta, command=CommandDescription(jobs=jobs))


def _resources(asked: SpoolRequest) -> Resources:
    # As on a cluster: one core, unless the job says otherwise.
    return Resources(
        cores=asked.cores or 1,
        memory=asked.memory_bytes,
        gpus=asked.gpus or None,
        time=asked.time_s,
    )


def _batch_of(job_id: str) -> str:
    job = parse_id(job_id)
    if job is None or job.task is not None:
        raise ClusterError(
            f"no job can depend on {job_id!r}",
            "a task of an array" if job else "that is no job's id here",
            "give a whole job: depends=job",
        )
    return job.key


def drop(spool: Spool, jobfile: JobFile) -> None:
    """Put a batch into the spool's drop box. Raises ClusterError saying why it can't be."""
    name = f"{jobfile.meta.namespace}.{jobfile.meta.batch_name}.{secrets.token_hex(4)}"
    try:
        loaded = load_text(dump_text(jobfile), f"job {jobfile.meta.batch_name}", spool.settings.max_jobs)
        drop_bundle(spool, collect(loaded, Path("/")), name)
    except DistributeError as error:
        raise ClusterError(error.what, error.why, error.hint) from error
    except OSError as error:
        raise ClusterError(
            f"{spool.root} takes no job", f"{error.filename}: {error.strerror}", f"see: ls -ld {spool.root}"
        ) from error

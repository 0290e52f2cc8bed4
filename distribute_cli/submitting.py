"""What `distribute add` is about to submit, and what stands in its way. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distribute_cli.reports.awaiting import doubt_awaited
from distribute_cli.reports.sizing import find_oversized
from distribute_cli.words import count, join, say_size
from spoold.awaiting import Standing
from spoold.records import Resources

if TYPE_CHECKING:
    from distribute_compute_config import JobFile, LoadedJobFile
    from distribute_compute_config.models import AnyJob


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job and what it asks for; None leaves it to the node. ``values`` are those of its sweep."""

    name: str
    cores: int | None
    memory_bytes: int | None
    gpus: int | None
    depends: tuple[str, ...]
    files: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """A file that will be brought along: its path as the job file writes it."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NodeOffer:
    """What a node offers; ``live`` if its daemon seems to run."""

    name: str
    live: bool
    cores: int
    memory_bytes: int
    capabilities: tuple[str, ...]
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class CapabilityOffer:
    """A capability that the batch needs, and the live nodes that have it."""

    name: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch before it is submitted. ``nodes`` are the live ones that have all its capabilities.

    ``after`` are the batches that must have ended well before.
    """

    namespace: str
    batch: str
    kind: str
    jobs: tuple[PlannedJob, ...]
    inputs: tuple[PlannedInput, ...]
    capabilities: tuple[CapabilityOffer, ...]
    nodes: tuple[str, ...]
    warnings: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.batch}"

    @property
    def input_bytes(self) -> int:
        return sum(one.size_bytes for one in self.inputs)


def plan(
    loaded: LoadedJobFile,
    sizes_bytes: Mapping[str, int],
    nodes: Sequence[NodeOffer],
    awaited: Mapping[str, Standing],
    architecture: str | None = None,
) -> Plan:
    """``sizes_bytes`` has an entry for each path that the job file names, ``awaited`` for each batch.

    ``architecture`` is that of its image.
    """
    jobfile = loaded.jobfile
    needed = find_needs(jobfile, architecture)
    live = [node for node in nodes if node.live]
    capable = [node for node in live if set(needed) <= set(node.capabilities)]
    jobs = tuple(_plan_job(jobfile, job) for job in jobfile.jobs)
    if capable:
        asked = {job.name: Resources(job.cores, job.memory_bytes, job.gpus) for job in jobs}
        warnings = [one.text for one in find_oversized(asked, capable)]
    else:
        warnings = list(_doubt_nodes(needed, nodes))
    return Plan(
        jobfile.meta.namespace,
        jobfile.meta.batch_name,
        jobfile.kind.value,
        jobs,
        tuple(PlannedInput(path, size) for path, size in sizes_bytes.items()),
        tuple(
            CapabilityOffer(one, _names(node for node in live if one in node.capabilities)) for one in needed
        ),
        _names(capable),
        (*warnings, *doubt_awaited(awaited)),
        tuple(awaited),
    )


def find_needs(jobfile: JobFile, architecture: str | None) -> tuple[str, ...]:
    """All capabilities that a node must have, those that its kind implies among them."""
    from distribute_compute_config.container import imply_capabilities
    from distribute_compute_config.models import Kind

    implied = imply_capabilities(architecture) if jobfile.kind is Kind.APPTAINER else ()
    return tuple(dict.fromkeys((*jobfile.meta.capabilities, *implied)))


def summarise(plan: Plan) -> str:
    """``NS/BATCH: 3 jobs (python), 9 input files (33.1 KiB)``."""
    inputs = f"{count(len(plan.inputs), 'input file')} ({say_size(plan.input_bytes)})"
    return f"{plan.key}: {count(len(plan.jobs), 'job')} ({plan.kind}), {inputs}"


def describe_needs(job: PlannedJob) -> str:
    """``4 cores, 12.0 GiB``, or ``a whole node``."""
    parts = []
    if job.cores is not None:
        parts.append(count(job.cores, "core"))
    if job.memory_bytes is not None:
        parts.append(say_size(job.memory_bytes))
    if job.gpus:
        parts.append(count(job.gpus, "GPU"))
    return ", ".join(parts) or "a whole node"


def _plan_job(jobfile: JobFile, job: AnyJob) -> PlannedJob:
    from distribute_compute_config import effective_resources, parse_memory

    asked = effective_resources(jobfile, job)
    memory_bytes = None if asked.memory is None else parse_memory(asked.memory)
    return PlannedJob(
        job.name,
        asked.cores,
        memory_bytes,
        asked.gpus,
        tuple(job.depends),
        len(job.required_files),
        dict(job.sweep),
    )


def _names(nodes: Iterator[NodeOffer] | Sequence[NodeOffer]) -> tuple[str, ...]:
    return tuple(sorted(node.name for node in nodes))


def _doubt_nodes(needed: Sequence[str], nodes: Sequence[NodeOffer]) -> Iterator[str]:
    """Why no live node can take the batch."""
    if not nodes:
        yield "no node has ever joined this spool"
        return
    if not any(node.live for node in nodes):
        yield f"no node's daemon runs; known: {join(_names(nodes))}"
        return
    alone = False
    for one in needed:
        having = [node for node in nodes if one in node.capabilities]
        if not any(node.live for node in having):
            alone = True
            where = f"only {join(_names(having))}, whose daemon doesn't run" if having else "no node"
            yield f"{where} has {one}" if not having else f"{one}: {where}"
    if not alone:
        yield f"no live node has all of {join(list(needed))} at once"

"""The records of batches, jobs and results, as frozen values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from distribute_compute_config.container import imply_capabilities


class Outcome(Enum):
    """How an attempt ended, as its record says; it names the folder that the ticket goes to."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class EndedBy(Enum):
    """What ended an attempt.

    ``not-started``: its program could not be executed. ``killed``: somebody asked for it. ``lost``: its node
    died or couldn't go on with it.
    """

    EXIT = "exit"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out-of-memory"
    TIME_LIMIT = "time-limit"
    KILLED = "killed"
    NOT_STARTED = "not-started"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Input:
    """A file that a job or a build finds: ``name`` there, content ``sha256`` in the store."""

    sparse: ClassVar[bool] = True

    name: str
    sha256: str
    size_bytes: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks for; None is the whole node. ``memory_bytes`` in bytes, ``time_s`` in seconds."""

    sparse: ClassVar[bool] = True

    cores: int | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job of a batch: ``script`` for python, ``command`` for command batches, neither for apptainer.

    ``on_evict`` is a signal, as in ``SIGUSR1``.
    """

    sparse: ClassVar[bool] = True

    name: str
    script: Input | None = None
    command: str | None = None
    inputs: tuple[Input, ...] = ()
    resources: Resources = Resources()
    priority: int = 0
    retries: int = 0
    depends: tuple[str, ...] = ()
    #: Before the job is evicted: the signal that it asks for, and the seconds that it needs then.
    on_evict: str | None = None
    evict_grace_s: float | None = None
    #: Whether an attempt after an eviction finds what the evicted one saved.
    resume: bool = False


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """``batch.json``: what was asked for, by whom, when. Never changes.

    ``id`` names the drop that it came from. ``kind`` is ``python``, ``command`` or ``apptainer``.
    ``submitted_at`` in Unix seconds. ``after`` are the batches that must have ended well, each NS/BATCH.
    ``architecture`` is that of the image, as in ``uname -m``; None where it isn't known, or any would do.
    """

    format: int
    id: str
    namespace: str
    batch: str
    kind: str
    submitter: str
    submitter_uid: int
    submitted_at: float
    source: str
    jobs_total: int
    capabilities: tuple[str, ...] = ()
    matrix: str | None = None
    build_script: Input | None = None
    build_command: str | None = None
    image: Input | None = None
    initial_files: tuple[Input, ...] = ()
    required_mounts: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    architecture: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that a node must have: those asked for, and those that its kind implies."""
        implied = imply_capabilities(self.architecture) if self.image else ()
        return tuple(dict.fromkeys((*self.capabilities, *implied)))

    @property
    def needs_build(self) -> bool:
        return self.build_script is not None or self.build_command is not None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.batch}"


@dataclass(frozen=True, slots=True)
class BatchJobs:
    """``jobs.json``: the jobs in the order of the job file. Never changes."""

    jobs: tuple[JobSpec, ...]


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file beside the record: ``path`` relative to it, with ``/``."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class JobRecord:
    """``.job.json``: how an attempt went. Times in Unix seconds, durations in seconds.

    ``core_ids`` and ``gpu_ids`` number what the attempt had of its node, from 0.
    ``skipped`` names what was in ``distribute_save`` and could not be archived, and why. ``ending`` is None
    in the records of earlier versions; ``read_bytes`` and ``written_bytes`` where they weren't counted.
    """

    namespace: str
    batch: str
    job: str
    attempt: int
    node: str
    outcome: Outcome
    reason: str
    started_at: float
    ended_at: float
    wall_s: float
    exit_code: int | None = None
    signal: int | None = None
    user_cpu_s: float = 0.0
    system_cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    cores: int = 0
    core_ids: tuple[int, ...] = ()
    gpu_ids: tuple[int, ...] = ()
    submitter: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    files: tuple[ArchivedFile, ...] = ()
    skipped: tuple[str, ...] = ()
    ending: EndedBy | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """``builds/NODE.ok`` or ``builds/NODE.failed``."""

    node: str
    ok: bool
    ended_at: float
    wall_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LossRecord:
    """``losses/JOB~ATTEMPT@NODE.lost`` or ``.returned``."""

    noted_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """``incoming/NAME.retry``: tickets are named, so that a repeat can't hit a later attempt."""

    namespace: str
    batch: str
    tickets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """``manifest.json`` in a bundle: for each path of the job file, the content that it had."""

    source: str
    files: dict[str, Input]

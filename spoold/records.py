"""The JSON records of a spool, as frozen values with their codec. Pure.

Reading is tolerant of fields that a later version added and strict about those it needs: a record that
lacks one raises ``RecordError``.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from distribute_compute_config.errors import DistributeError

T = TypeVar("T")


class RecordError(DistributeError):
    """A record of the spool can't be read."""


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

    name: str
    sha256: str
    size_bytes: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks for; None is the whole node. ``memory_bytes`` in bytes, ``time_s`` in seconds."""

    cores: int | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job of a batch: ``script`` for python, ``command`` for command batches, neither for apptainer.

    ``on_evict`` is a signal, as in ``SIGUSR1``.
    """

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


class Limiting(Enum):
    """How a node limits its jobs: with control groups of the kernel, or as well as it can without."""

    CGROUP = "cgroup"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """``node.json``: what a workstation is, written when its daemon starts.

    ``controllers`` are those that its jobs' control groups have.
    """

    name: str
    host: str
    pid: int
    cores: int
    memory_bytes: int
    capabilities: tuple[str, ...]
    scratch: str
    version: str
    started_at: float
    gpus: int = 0
    limits: Limiting | None = None
    controllers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HolderRecord:
    """``holder.json``: the token of the node's own hold of its lease, and how often that is refreshed."""

    token: str
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job on a node. ``phase`` is ``preparing``, ``building``, ``running``, ``paused``, ``evicting`` or
    ``uploading``.

    Since when it is on the node, since when in this phase (None: it isn't known), until when it is paused
    (None: it isn't), and when its process was started (None: it wasn't); Unix seconds. ``paused_by`` says
    by whom.
    """

    namespace: str
    batch: str
    job: str
    attempt: int
    phase: str
    since: float
    cpu_s: float = 0.0
    memory_bytes: int = 0
    phase_since: float | None = None
    cores: int = 0
    gpus: int = 0
    paused_until: float | None = None
    paused_by: str = ""
    started_at: float | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A batch that a node takes no jobs from, as its jobs failed there in a row.

    ``provisional``: only until it is known how they fare on other nodes.
    """

    namespace: str
    batch: str
    since: float
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class JobPause:
    """Some jobs are paused on a node, until when (Unix seconds), and by whom.

    ``targets`` are ``NAMESPACE/BATCH`` or ``NAMESPACE/BATCH/JOB``, and need not run there.
    """

    until: float
    by: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """``running.json``: what a node does now, and what troubles it.

    ``paused_until`` and ``paused_by`` are of a pause of the whole node, ``pauses`` are for some jobs only.
    ``holding`` is why it takes no more jobs though what runs goes on. ``leaving``: its daemon has ended
    since, and left its jobs running. ``scratch_full``: it has too little room left to take jobs.
    """

    written_at: float
    jobs: tuple[RunningJob, ...] = ()
    paused_until: float | None = None
    paused_by: str = ""
    draining: bool = False
    troubles: tuple[str, ...] = ()
    quarantines: tuple[Quarantine, ...] = ()
    holding: str = ""
    pauses: tuple[JobPause, ...] = ()
    leaving: bool = False
    scratch_full: bool = False


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


def encode(record: Any) -> bytes:
    """The record as JSON with a newline at its end."""
    return (json.dumps(record, default=_plain, separators=(",", ":")) + "\n").encode()


def decode(kind: type[T], data: bytes, source: object) -> T:
    """The record of type ``kind`` in ``data``. Raises RecordError naming ``source``."""
    try:
        return typing.cast(T, _reader(typing.cast(Any, kind))(json.loads(data)))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RecordError(f"{source} is no {kind.__name__}", _say_why(error)) from error


def _say_why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return f"it isn't JSON: {error}"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return "a field is missing in it, or of another form"


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    kind = type(value)
    if kind in _SPARSE:
        # Thousands of jobs in one file: what has its default is left out.
        defaults = _defaults(typing.cast(Any, kind))
        return {f: v for f, default in defaults if (v := getattr(value, f)) != default}
    if dataclasses.is_dataclass(kind):
        return {f: getattr(value, f) for f in _field_names(typing.cast(Any, kind))}
    raise TypeError(f"not a record's value: {value!r}")


_SPARSE = frozenset({JobSpec, Input, Resources})


@cache
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default) for f in dataclasses.fields(kind))


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """A function that turns what ``json`` gives into ``kind``; made once a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _optional(_reader(next(a for a in arguments if a is not type(None))))
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda values: tuple([item(v) for v in _listed(values)])
    if origin is dict:
        item = _reader(arguments[1])
        return lambda values: {str(k): item(v) for k, v in values.items()}
    if dataclasses.is_dataclass(kind):
        return _record_reader(kind)
    if kind is float:
        return _number
    if issubclass(kind, Enum):
        return typing.cast(Callable[[Any], Any], kind)
    return _checked(kind)


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):  # a text would pass as a list of its letters
        raise TypeError(f"{value!r} is no list")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _checked(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # Exactly: True is an instance of int.
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return read


def _record_reader(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = {f.name: _reader(hints[f.name]) for f in dataclasses.fields(kind)}

    def read(values: Any) -> Any:
        return kind(**{name: readers[name](values[name]) for name in values.keys() & readers.keys()})

    return read

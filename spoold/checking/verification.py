"""The archive's checksums: every file of a result against what its ``.job.json`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from distribute_compute_config.names import is_name
from spoold.checking.legal import parse_attempt
from spoold.checking.looking import Read, Type, list_folder, look_at, read_record
from spoold.layout import RECORD_NAME
from spoold.records import ArchivedFile, JobRecord
from spoold.spool import Spool
from spoold.store import hash_file
from spoold.tickets import Ticket

_TRIES = 3


class Wrong(Enum):
    """How a file differs. The values are stable: programs read them."""

    MISSING = "missing"
    SIZE = "size"
    SHA256 = "sha256"
    UNRECORDED = "unrecorded"
    NO_FILE = "no-file"
    UNREADABLE = "unreadable"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Difference:
    """``path`` is absolute; ``what`` a sentence without it."""

    path: Path
    kind: Wrong
    what: str


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of results, ``JOB`` or ``JOB~ATTEMPT``, with the record in it."""

    namespace: str
    batch: str
    name: str
    path: Path
    record: Read[JobRecord]

    @property
    def job(self) -> str:
        attempt = parse_attempt(self.name)
        return attempt.job if attempt else self.name

    @property
    def files(self) -> tuple[ArchivedFile, ...]:
        return self.record.value.files if self.record.value else ()

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def find_results(spool: Spool, namespace: str, batch: str | None, job: str | None) -> list[Place]:
    """The results of a namespace, of a batch, or of a job with its earlier attempts. Raises OSError."""
    root = spool.layout.archive / namespace
    batches = [batch] if batch else sorted(filter(is_name, list_folder(root) or ()))
    return [
        _read(namespace, one, root / one, name)
        for one in batches
        for name, type in sorted((list_folder(root / one) or {}).items())
        if type is Type.FOLDER and _is_result(name, job)
    ]


def _is_result(name: str, job: str | None) -> bool:
    attempt = parse_attempt(name)
    found = attempt.job if attempt else name
    return is_name(found) and job in (None, found)


def _read(namespace: str, batch: str, folder: Path, name: str) -> Place:
    path = folder / name
    return Place(namespace, batch, name, path, read_record(JobRecord, path / RECORD_NAME))


def verify(place: Place, progress: Callable[[int], None] | None = None) -> list[Difference]:
    """What differs, by path; ``progress`` is told the bytes that are read. No link is followed.

    A result that is set aside meanwhile, because its job was retried, is looked for where it is then.
    """
    differences = list(_compare(place, progress))
    for _ in range(_TRIES):
        now = _read(place.namespace, place.batch, place.path.parent, place.name)
        if not differences or now.record == place.record:
            break
        place = _follow(place) if now.record.missing else now
        differences = list(_compare(place, None))
    return sorted(differences, key=lambda one: str(one.path))


def _follow(place: Place) -> Place:
    record = place.record.value
    name = Ticket(place.job, record.attempt).attempt_name if record else place.name
    return _read(place.namespace, place.batch, place.path.parent, name)


def _compare(place: Place, progress: Callable[[int], None] | None) -> Iterator[Difference]:
    record, path = place.record.value, place.path / RECORD_NAME
    if record is None:
        why = place.record.problem or "it is missing"
        yield Difference(path, Wrong.RECORD, f"nothing tells what belongs to this result: {why}")
        return
    if (record.namespace, record.batch, record.job) != (place.namespace, place.batch, place.job):
        other = f"{record.namespace}/{record.batch}/{record.job}"
        yield Difference(path, Wrong.RECORD, f"is of another job: {other}")
    there = dict(_walk(place.path))
    for file in record.files:
        type = there.pop(file.path, None)
        yield from _compare_file(place.path / file.path, file, type, progress)
    there.pop(RECORD_NAME, None)
    for name, type in there.items():
        what = "is in no record" if type is Type.FILE else f"is a {type.value}, and in no record"
        yield Difference(place.path / name, Wrong.UNRECORDED, what)


def _walk(root: Path) -> Iterator[tuple[str, Type]]:
    """Everything below ``root`` but folders, each with its path as records write it."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for name, type in (list_folder(root / folder) or {}).items():
            path = f"{folder}/{name}" if folder else name
            if type is Type.FOLDER:
                waiting.append(path)
            else:
                yield path, type


def _compare_file(
    path: Path, file: ArchivedFile, type: Type | None, progress: Callable[[int], None] | None
) -> Iterator[Difference]:
    """``type`` is what the walk saw there: a name of the record alone is never opened."""
    if type is None:
        yield Difference(path, Wrong.MISSING, "is missing")
        return
    if type is not Type.FILE:
        yield Difference(path, Wrong.NO_FILE, f"is a {type.value}, and was a file")
        return
    try:
        facts = look_at(path)
        if facts and facts.size_bytes != file.size_bytes:
            what = f"has {facts.size_bytes} bytes, and had {file.size_bytes}"
            yield Difference(path, Wrong.SIZE, what)
        elif hash_file(path, progress) != file.sha256:
            yield Difference(path, Wrong.SHA256, "has another content than its record says")
    except OSError as error:
        yield Difference(path, Wrong.UNREADABLE, f"can't be read: {(error.strerror or str(error)).lower()}")

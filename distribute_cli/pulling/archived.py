"""Reading what the archive holds of a batch, before anything is copied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from distribute_cli.pulling.places import Place, UnsafePath, open_file
from distribute_cli.reports.pulled import Missing
from distribute_cli.targets import no_batch
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.names import is_name
from spoold.codec import RecordError, decode
from spoold.layout import HEADER_NAME, JOB_FILE_NAME, RECORD_NAME, BatchFolder
from spoold.records import JobRecord
from spoold.snapshot import find_batch, read_jobs, read_tickets
from spoold.spool import Spool
from spoold.tickets import State, Ticket

Tickets = dict[str, tuple[State, Ticket] | None]
"""Of each job of a batch; None where it moved while it was looked for."""

_RECORD_MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class ArchivedJob:
    """A folder of results, of a job or of an earlier attempt, ``JOB~ATTEMPT``; ``data`` is its record."""

    folder: str
    record: JobRecord
    data: bytes


@dataclass(frozen=True, slots=True)
class LooseFile:
    """A file of the batch itself: the job file, what a build printed; ``modified_at`` in Unix seconds."""

    name: str
    size_bytes: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class ArchivedBatch:
    """``broken`` tells which results can't be pulled because their record can't be read."""

    place: Place
    jobs: tuple[ArchivedJob, ...]
    loose: tuple[LooseFile, ...]
    missing: tuple[Missing, ...]
    broken: tuple[DistributeError, ...]


def read_archive(
    spool: Spool, namespace: str, batch: str, attempts: bool, executor: Executor
) -> ArchivedBatch:
    """The results of a batch now, with those of earlier ``attempts`` if wanted. Raises NotFound."""
    place = Place(spool.layout.archive, (namespace, batch))
    if batch not in spool.ops.names(place.path.parent):
        raise no_batch(spool, f"{namespace}/{batch}")
    # Tickets first: a job that ends meanwhile is then there although it is called missing, not the reverse.
    tickets = _read_tickets(spool, namespace, batch)
    found = read_results(place, batch, attempts, executor, tickets, spool.ops.names(place.path))
    return replace(found, missing=tuple(_list_missing(tickets, found.jobs)))


def read_results(
    place: Place,
    batch: str,
    attempts: bool,
    executor: Executor,
    tickets: Tickets | None = None,
    listed: Iterable[str] | None = None,
) -> ArchivedBatch:
    """What stands in ``place``, a folder ``archive/NAMESPACE/BATCH`` or a copy of its records.

    With ``tickets``, only what belongs to these jobs counts; none is called missing.
    """
    names = sorted(os.listdir(place.path) if listed is None else listed)
    folders = [n for n in names if not _is_loose(n, batch) and _is_result(n, tickets or {}, attempts)]
    results = list(executor.map(lambda name: _read_job(place, name), folders))
    return ArchivedBatch(
        place,
        tuple(one for one in results if isinstance(one, ArchivedJob)),
        tuple(_read_loose(place, batch, names)),
        (),
        tuple(one for one in results if isinstance(one, DistributeError)),
    )


def _list_missing(tickets: Tickets, jobs: Sequence[ArchivedJob]) -> Iterator[Missing]:
    """Jobs whose newest attempt has no result; after a retry, that of an earlier one is still there."""
    archived = {job.folder: job.record.attempt for job in jobs}
    for job, found in sorted(tickets.items()):
        state, attempt = (found[0].value, found[1].attempt) if found else ("moving", 1)
        if archived.get(job, 0) < attempt:
            yield Missing(job, state)


def _read_tickets(spool: Spool, namespace: str, batch: str) -> Tickets:
    """The newest ticket of each job; of a batch that is only in the archive, nothing."""
    ref = find_batch(spool, namespace, batch)
    admitted = spool.layout.admitted(namespace, batch)
    if ref is None and admitted.name not in spool.ops.names(admitted.parent):
        return {}
    folder = ref.folder if ref else BatchFolder(admitted)
    latest = read_tickets(spool, folder).latest()
    jobs = read_jobs(spool, folder)
    names = [spec.name for spec in jobs.jobs] if jobs else []
    return {name: latest.get(name) for name in names if is_name(name)}


def _is_result(name: str, tickets: Tickets, attempts: bool) -> bool:
    if "~" not in name:
        return name in tickets if tickets else is_name(name)
    try:
        ticket = Ticket.parse(name)
    except ValueError:
        return False
    return attempts and ticket.node is None and (not tickets or ticket.job in tickets)


def _read_job(place: Place, folder: str) -> ArchivedJob | DistributeError:
    path = place.path / folder / RECORD_NAME
    try:
        with open_file(place, (folder, RECORD_NAME)) as opened:
            data = _read_all(opened.fileno())
        return ArchivedJob(folder, decode(JobRecord, data, path), data)
    except FileNotFoundError:
        return RecordError(f"{path} is missing", "nothing else tells what belongs to this result")
    except OSError as error:
        return RecordError(f"{path} can't be read", error.strerror or "")
    except (RecordError, UnsafePath) as error:
        return error


def _read_all(handle: int) -> bytes:
    size = os.fstat(handle).st_size
    if size > _RECORD_MAX_BYTES:
        raise RecordError("the record is too large", f"it has {size} bytes")
    pieces = []
    while piece := os.read(handle, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _is_loose(name: str, batch: str) -> bool:
    build = name.startswith(f"{batch}_build_output-") and name.endswith(".txt")
    return build or name in (HEADER_NAME, JOB_FILE_NAME)


def _read_loose(place: Place, batch: str, names: list[str]) -> Iterator[LooseFile]:
    for name in names:
        if name == HEADER_NAME or not _is_loose(name, batch):
            continue
        with open_file(place, (name,)) as opened:
            info = os.fstat(opened.fileno())
        yield LooseFile(name, info.st_size, info.st_mtime)

"""What stands on the disk when everything has ended: tickets, results, rejections."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spoold.codec import RecordError, decode
from spoold.layout import RECORD_NAME
from spoold.losses import Loss, read_losses
from spoold.records import JobRecord
from spoold.snapshot import find_batch, read_tickets
from spoold.spool import Spool
from spoold.tickets import State, Ticket
from tests.chaotic.history import Event, Kind
from tests.chaotic.sites import Site
from tests.chaotic.submitting import Submitter
from tests.chaotic.work import DATA, LARGE, NONCE, PlannedBatch, Run, read_ledger

_CRASH = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Archived:
    """A result: its record, what its job wrote into it (``large_bytes`` is -1 if that file isn't there), its faults."""

    name: str
    record: JobRecord | None
    nonce: str
    data: str
    large_bytes: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndedBatch:
    """A batch as it was planned and as it is: all its tickets, the marks of losses, and its results in the archive."""

    planned: PlannedBatch
    finished: bool
    tickets: tuple[tuple[State, Ticket], ...]
    losses: tuple[Loss, ...]
    results: dict[str, Archived]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the checker may know."""

    batches: tuple[EndedBatch, ...]
    runs: dict[tuple[str, Ticket], list[Run]]
    events: tuple[Event, ...]
    killed: frozenset[str]
    retried: frozenset[str]
    expected_rejections: frozenset[str]
    rejected: frozenset[str]
    strangers: tuple[str, ...]
    crashes: tuple[str, ...]


def gather(site: Site, submitter: Submitter, events: Sequence[Event]) -> Evidence:
    """All of it, as it is now."""
    spool = site.spool()
    ops, layout = spool.ops, spool.layout
    answers = [event.detail for event in events if event.kind is Kind.ANSWERED]
    return Evidence(
        tuple(_look_at(spool, planned) for planned in submitter.planned.values()),
        read_ledger(submitter.ledger),
        tuple(events),
        frozenset(submitter.killed),
        frozenset(submitter.retried),
        frozenset(submitter.rejected),
        frozenset(n.split(".")[0] for n in ops.names(layout.rejected) if not n.endswith(".reason.txt")),
        tuple(
            [f"incoming/{name}" for name in ops.names(layout.incoming)]
            + [str(path.relative_to(spool.root)) for path in layout.staging_root.glob("*/*/*")]
        ),
        tuple(text for text in [*site.logs(), *answers] if _CRASH in text),
    )


def _look_at(spool: Spool, planned: PlannedBatch) -> EndedBatch:
    # Results before tickets: what is archived while we look must not seem to be without a ticket.
    archive = spool.layout.archived_batch(*planned.key.split("/"))
    results = {
        path.name: _read_result(path) for path in archive.glob("*") if path.is_dir() and path.name[0] != "."
    }
    ref = find_batch(spool, *planned.key.split("/"))
    tickets = read_tickets(spool, ref.folder).by_state if ref else {}
    losses = read_losses(spool, ref.folder) if ref else []
    listed = tuple((state, ticket) for state, some in tickets.items() for ticket in some)
    return EndedBatch(planned, bool(ref and ref.finished), listed, tuple(losses), results)


def _read_result(folder: Path) -> Archived:
    try:
        record = decode(JobRecord, (folder / RECORD_NAME).read_bytes(), folder)
    except (FileNotFoundError, RecordError) as error:
        return Archived(folder.name, None, "", "", -1, (str(error),))
    large = folder / LARGE
    large_bytes = large.stat().st_size if large.exists() else -1
    return Archived(
        folder.name,
        record,
        _text(folder / NONCE),
        _text(folder / DATA),
        large_bytes,
        tuple(_faults(folder, record)),
    )


def _text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _faults(folder: Path, record: JobRecord) -> Iterator[str]:
    listed = {file.path: file for file in record.files}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {
        RECORD_NAME
    }
    yield from (f"{name} is there and not in the record" for name in sorted(there - set(listed)))
    yield from (f"{name} is in the record and not there" for name in sorted(set(listed) - there))
    for name in sorted(there & set(listed)):
        with open(folder / name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if (digest, (folder / name).stat().st_size) != (listed[name].sha256, listed[name].size_bytes):
            yield f"{name} has not the content that the record says"

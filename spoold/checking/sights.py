"""A batch as it was seen: its folder, its tickets, what is staged, what the archive holds.

They are read in the order in which a job's life fills them, so that what moves on meanwhile is seen twice
rather than not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spoold.checking.legal import ADMITTED, parse_attempt, parse_ticket
from spoold.checking.looking import Read, Type, list_folder, read_record
from spoold.layout import RECORD_NAME, BatchFolder
from spoold.records import BatchHeader, BatchJobs, Input, JobRecord, JobSpec
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_TRIES = 4

Entries = dict[str, Type]
Placed = tuple[State, Ticket]


@dataclass(frozen=True, slots=True)
class Sight:
    """One batch at ``folder``, in ``batches/`` or ``finished/``, or still beside its results in the archive.

    ``lost`` are the jobs of which no listing showed a ticket, ``doubled`` those of which every one showed the
    same two or more. ``results`` holds the record of each folder ``JOB`` or ``JOB~ATTEMPT`` of the archive,
    ``staged`` likewise those of staging folders, by the ticket's name. ``specs`` are the jobs by name, none
    if they can't be read; ``kept`` tells the newest ``JOB~ATTEMPT`` in the archive of each job that has one.
    """

    namespace: str
    batch: str
    folder: BatchFolder
    finished: bool
    names: Entries
    header: Read[BatchHeader]
    jobs: Read[BatchJobs]
    states: dict[State, Entries | None]
    lost: frozenset[str]
    doubled: dict[str, tuple[Placed, ...]]
    staged: dict[str, Read[JobRecord]]
    archive: Entries | None
    archived_header: Read[BatchHeader]
    results: dict[str, Read[JobRecord]]
    specs: dict[str, JobSpec]
    kept: dict[str, int]

    @property
    def admitted(self) -> bool:
        """Whether it has not yet appeared in ``batches/``."""
        return self.folder.path.name == ADMITTED

    def tickets(self) -> Iterator[Placed]:
        for state, entries in self.states.items():
            for name in entries or ():
                ticket = parse_ticket(name)
                if ticket:
                    yield state, ticket

    def inputs(self) -> Iterator[Input]:
        """Everything in the store that the batch needs."""
        header = self.header.value
        if header:
            yield from (one for one in (header.build_script, header.image) if one)
            yield from header.initial_files
        for spec in self.specs.values():
            if spec.script:
                yield spec.script
            yield from spec.inputs


def see_batch(spool: Spool, namespace: str, batch: str, folder: BatchFolder, finished: bool) -> Sight | None:
    """None if it isn't there (any more)."""
    names = list_folder(folder.path)
    if names is None:
        return None
    header, jobs = read_record(BatchHeader, folder.header), read_record(BatchJobs, folder.jobs)
    specs = {spec.name: spec for spec in jobs.value.jobs} if jobs.value else {}
    states, lost, doubled = see_tickets(spool, folder, list(specs))
    staged = _see_staged(spool, namespace, batch)
    place = spool.layout.archived_batch(namespace, batch)
    archive = list_folder(place)
    archived = BatchFolder(place).header
    results = {
        name: read_record(JobRecord, place / name / RECORD_NAME)
        for name, type in (archive or {}).items()
        if type is Type.FOLDER and (name in specs or parse_attempt(name))
    }
    return Sight(
        namespace, batch, folder, finished, names, header, jobs, states, lost, doubled, staged,
        archive, read_record(BatchHeader, archived), results, specs, _newest(archive or {}),
    )  # fmt: skip


def _newest(archive: Entries) -> dict[str, int]:
    kept: dict[str, int] = {}
    for ticket in filter(None, map(parse_attempt, archive)):
        kept[ticket.job] = max(ticket.attempt, kept.get(ticket.job, 0))
    return kept


def see_tickets(
    spool: Spool, folder: BatchFolder, jobs: list[str]
) -> tuple[dict[State, Entries | None], frozenset[str], dict[str, tuple[Placed, ...]]]:
    """What lies in the state folders, the jobs that lack a ticket, and those that have too many.

    A ticket that moves during one listing may be missed by it or seen twice; not by each of several.
    """
    states, lost, doubled = _list_tickets(folder, jobs)
    for _ in range(_TRIES - 1):
        if not lost and not doubled:
            break
        _refresh(spool, folder)
        states, lost_now, doubled_now = _list_tickets(folder, jobs)
        lost &= lost_now
        doubled = {job: placed for job, placed in doubled.items() if doubled_now.get(job) == placed}
    return states, lost, doubled


def _list_tickets(
    folder: BatchFolder, jobs: list[str]
) -> tuple[dict[State, Entries | None], frozenset[str], dict[str, tuple[Placed, ...]]]:
    states = {state: list_folder(folder.state(state)) for state in State}
    placed: dict[str, list[Placed]] = {job: [] for job in jobs}
    for state, entries in states.items():
        for ticket in filter(None, map(parse_ticket, entries or ())):
            if ticket.job in placed:
                placed[ticket.job].append((state, ticket))
    lost = frozenset(job for job, seen in placed.items() if not seen)
    return states, lost, {job: tuple(seen) for job, seen in placed.items() if len(seen) > 1}


def _refresh(spool: Spool, folder: BatchFolder) -> None:
    """NFS 3 may hide a name until its folder changes."""
    for state in State:
        try:
            spool.ops.refresh(folder.state(state))
        except OSError:
            # Somebody else's spool, a read-only mount, a missing folder: then what is listed must do.
            return


def _see_staged(spool: Spool, namespace: str, batch: str) -> dict[str, Read[JobRecord]]:
    folder = spool.layout.staging_root / namespace / batch
    return {
        name: read_record(JobRecord, folder / name / RECORD_NAME)
        for name, type in (list_folder(folder) or {}).items()
        if type is Type.FOLDER
    }

"""What must hold of a spool after every step of anybody, told by one who remembers every look at it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spoold.layout import BatchFolder
from spoold.notices import outbox
from spoold.notices.records import Box, make_notice
from spoold.records import JobRecord, Outcome
from spoold.snapshot import read_header, read_jobs, read_record, read_state, read_tickets
from spoold.spool import Spool
from spoold.tickets import State, Ticket
from tests.spool.lab import tree

PUBLISHED = (State.PUBLISHING, State.DONE, State.FAILED, State.CANCELLED)


class Witness:
    """Looks at batches of namespace ``ns``.

    Every job is in one place, attempts only grow and have one holder each, the archive shows what the
    tickets say, and nothing archived changes, goes, or is there twice. What is archived under its job's name
    was published, which ``publish`` may tell too where nobody looked meanwhile; under an attempt's name stands
    no success. ``void`` are the tickets (with their batch) whose holder was told that its result doesn't count.
    """

    def __init__(self, spool: Spool, batches: Sequence[str]) -> None:
        self._spool, self._batches = spool, batches
        self._attempts: dict[tuple[str, str], int] = {}
        self._holders: dict[tuple[str, str, int], str] = {}
        self._digests: dict[tuple[str, str, int], str] = {}
        self._headers: dict[str, bytes] = {}
        self._published: set[tuple[str, str, int]] = set()
        self._looked = False
        self._saves: dict[tuple[str, str, int], str] = {}
        self.void: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Raises AssertionError."""
        present = [one for batch in self._batches for one in self._check_archive(batch)]
        assert len(set(present)) == len(present), "archived twice"
        assert set(present) == set(self._digests), "something archived is gone"
        for batch in self._batches:
            folder = self._place(batch)
            if folder is not None:
                self._check_tickets(batch, folder)
                self._check_saves(batch, folder)
                self._check_notice(batch, folder)
        self._check_published()
        self._looked = True

    def publish(self, batch: str, ticket: Ticket) -> None:
        """The ticket was seen where its result counts."""
        self._published.add((batch, ticket.job, ticket.attempt))

    def ended(self, batch: str, ticket: Ticket) -> bool:
        """Whether the ticket was published before: a node that came back learns that so."""
        folder = self._place(batch)
        return folder is not None and any(ticket in read_state(self._spool, folder, s) for s in PUBLISHED)

    def _place(self, batch: str) -> BatchFolder | None:
        layout = self._spool.layout
        places = [
            layout.batch("ns", batch),
            layout.finished_batch("ns", batch),
            BatchFolder(layout.admitted("ns", batch)),
        ]
        there = [place for place in places if place.path.exists()]
        assert len(there) <= 1, there
        assert bool(there) == layout.archived_batch("ns", batch).exists(), (batch, there)
        return there[0] if there else None

    def _check_tickets(self, batch: str, folder: BatchFolder) -> None:
        jobs = read_jobs(self._spool, folder)
        assert jobs is not None
        placed = [(s, t) for s in State for t in read_state(self._spool, folder, s)]
        assert sorted(t.job for _, t in placed) == sorted(j.name for j in jobs.jobs), placed
        for state, ticket in placed:
            if state in PUBLISHED:
                self.publish(batch, ticket)
            self._check_attempt(batch, state, ticket)
            archived = self._spool.layout.archived_job("ns", batch, ticket.job)
            record = read_record(self._spool, archived)
            if state.terminal and ticket.node:
                check_end(record, state, ticket)
            if record is not None:
                self._check_record(batch, record, state, ticket)

    def _check_saves(self, batch: str, folder: BatchFolder) -> None:
        """A save is whole and never changes, and the newest one is there as long as its job can go on."""
        place = self._spool.layout.saves_root / "ns" / batch
        newest = {job: attempt for (at, job, attempt) in sorted(self._saves) if at == batch}
        for name in self._spool.ops.names(place):
            record = read_record(self._spool, place / name)
            assert record is not None and name == f"{record.job}~{record.attempt}"
            check_files(place / name, record)
            digest = digest_of(place / name)
            key = (batch, record.job, record.attempt)
            assert self._saves.setdefault(key, digest) == digest, (key, "changed")
            newest[record.job] = max(newest.get(record.job, 0), record.attempt)
        for job, attempt in newest.items():
            state = next(s for s in State for t in read_state(self._spool, folder, s) if t.job == job)
            if state.terminal:
                # It may be swept from now on, whatever becomes of the job: a `retry` begins it anew.
                for key in [key for key in self._saves if key[:2] == (batch, job)]:
                    del self._saves[key]
            else:
                assert (place / f"{job}~{attempt}").is_dir(), (job, attempt, "what was saved is gone")

    def _check_notice(self, batch: str, folder: BatchFolder) -> None:
        """For a batch that was closed there is a notice of just that end."""
        header, latest = read_header(self._spool, folder), read_tickets(self._spool, folder).latest()
        ended = all(state.terminal for state, _ in latest.values())
        if header is not None and ended and folder == self._spool.layout.finished_batch("ns", batch):
            wanted = make_notice(header, latest, 0.0)
            notice = outbox.read(self._spool, Box.WAITING, wanted.name)
            assert notice is not None, f"nobody will be told that {batch} has ended"
            assert replace(notice, ended_at=0.0) == wanted

    def _check_attempt(self, batch: str, state: State, ticket: Ticket) -> None:
        key = (batch, ticket.job)
        assert ticket.attempt >= self._attempts.get(key, 1), "an attempt came back"
        self._attempts[key] = ticket.attempt
        if state in (State.HELD, State.PENDING):
            assert (*key, ticket.attempt) not in self._holders, "two may hold one attempt"
            assert (*key, ticket.attempt) not in self._digests, "an attempt that ended waits"
        if ticket.node:
            assert self._holders.setdefault((*key, ticket.attempt), ticket.node) == ticket.node

    def _check_record(self, batch: str, record: JobRecord, state: State, ticket: Ticket) -> None:
        assert (batch, f"{record.job}~{record.attempt}@{record.node}") not in self.void
        holder = self._holders.setdefault((batch, ticket.job, record.attempt), record.node)
        assert holder == record.node
        if state not in PUBLISHED:
            assert record.attempt < ticket.attempt, "archived before it was published"

    def _check_published(self) -> None:
        """What was there at the first look is of an earlier life."""
        for batch in self._batches if self._looked else ():
            for name, record in self._archived(batch):
                key = (batch, record.job, record.attempt)
                assert name != record.job or key in self._published, (key, "archived and never published")
                assert name == record.job or record.outcome is not Outcome.DONE, (key, "done and set aside")

    def _archived(self, batch: str) -> Iterator[tuple[str, JobRecord]]:
        folder = self._spool.layout.archived_batch("ns", batch)
        for name in self._spool.ops.names(folder):
            record = read_record(self._spool, folder / name)
            if record is not None and not name.startswith("."):
                yield name, record

    def _check_archive(self, batch: str) -> Iterator[tuple[str, str, int]]:
        folder = self._spool.layout.archived_batch("ns", batch)
        header = self._spool.ops.read(folder / "batch.json")
        if header is not None:
            assert self._headers.setdefault(batch, header) == header
            assert read_header(self._spool, BatchFolder(folder)) is not None
        for name, record in self._archived(batch):
            assert name in (record.job, f"{record.job}~{record.attempt}")
            key = (batch, record.job, record.attempt)
            digest = digest_of(folder / name)
            assert self._digests.setdefault(key, digest) == digest, (key, "changed")
            check_files(folder / name, record)
            yield key


def check_end(record: JobRecord | None, state: State, ticket: Ticket) -> None:
    """A job's record tells the same end as its ticket."""
    assert record is not None, ticket
    told = (record.attempt, record.node, record.outcome.value)
    assert told == (ticket.attempt, ticket.node, state.value)


def check_files(folder: Path, record: JobRecord) -> None:
    """An archived result is whole: what its record names, and nothing else."""
    found = {name: data for name, data in tree(folder).items() if name != ".job.json"}
    assert {f.path: (f.size_bytes, f.sha256) for f in record.files} == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in found.items()
    }


def digest_of(folder: Path) -> str:
    return hashlib.sha256(repr(sorted(tree(folder).items())).encode()).hexdigest()

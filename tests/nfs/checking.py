"""What must hold for a batch that has ended, whatever happened meanwhile."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from spoold.snapshot import find_batch, list_batches, read_record, read_tickets
from spoold.spool import Spool
from spoold.tickets import State, Ticket


def check_ended(spool: Spool, namespace: str, batch: str, results: dict[str, str]) -> Counter[str]:
    """Each job is done once, by the attempt that its ticket says, and printed what it should.

    ``results`` tells by job what it prints and saves as ``result.txt``. Returns how many jobs each node did.
    """
    ref = find_batch(spool, namespace, batch)
    assert ref is not None and ref.finished
    found = read_tickets(spool, ref.folder).by_state
    everywhere = [ticket.job for tickets in found.values() for ticket in tickets]
    assert sorted(everywhere) == sorted(results), "each job has one ticket"
    assert len(found[State.DONE]) == len(results), f"all are done, not {found}"
    for ticket in found[State.DONE]:
        _check_result(spool, namespace, batch, ticket, results[ticket.job])
    archive = spool.layout.archived_batch(namespace, batch)
    assert {path.name for path in archive.iterdir() if path.is_dir()} == set(results), "no other result"
    return Counter(str(ticket.node) for ticket in found[State.DONE])


def _check_result(spool: Spool, namespace: str, batch: str, ticket: Ticket, result: str) -> None:
    folder = spool.layout.archived_job(namespace, batch, ticket.job)
    record = read_record(spool, folder)
    assert record is not None
    assert (record.node, record.attempt, record.exit_code) == (ticket.node, ticket.attempt, 0)
    assert (folder / "stdout.txt").read_text() == result
    assert (folder / "result.txt").read_text() == result
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {".job.json"}
    assert present == {file.path for file in record.files}
    for file in record.files:
        assert _sha256(folder / file.path) == file.sha256


def check_empty(spool: Spool) -> None:
    """Nothing is left of all batches but what they are finished with."""
    assert not list_batches(spool)
    assert not list_staged(spool), "no result is in limbo"


def list_staged(spool: Spool) -> list[Path]:
    """The files of results that aren't in the archive."""
    return [path for path in spool.layout.staging_root.rglob("*") if path.is_file()]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

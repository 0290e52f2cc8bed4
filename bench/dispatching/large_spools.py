"""Spools with many jobs, made in seconds: what they hold is what the daemons would have left there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from spoold.codec import encode
from spoold.layout import FORMAT, RECORD_NAME, BatchFolder
from spoold.records import ArchivedFile, BatchHeader, BatchJobs, JobRecord, JobSpec, Outcome
from spoold.spool import Settings, Spool, init_spool
from spoold.tickets import State, Ticket

from .spool_system import NAMESPACE, render_job_file

_NODE = "node1"
_WHEN = 1.7e9  # any time in the past, Unix seconds
_EMPTY_SHA256 = hashlib.sha256().hexdigest()


def make_finished_spool(root: Path, batches: int, jobs: int) -> Spool:
    """A spool with ``batches`` finished batches of ``jobs`` jobs each, all done, their results archived."""
    spool = init_spool(root, Settings())
    for number in range(batches):
        batch = f"batch{number:04}"
        folder = spool.layout.finished_batch(NAMESPACE, batch)
        tickets = [ticket.held_by(_NODE) for ticket in _fill(spool, folder, batch, jobs)]
        _touch_all(folder.state(State.DONE), tickets)
        _archive(spool, batch, tickets)
    return spool


def make_pending_spool(root: Path, batches: int, jobs: int) -> Spool:
    """A spool with ``batches`` admitted batches of ``jobs`` jobs each, all waiting for a node."""
    spool = init_spool(root, Settings())
    for number in range(batches):
        batch = f"batch{number:04}"
        folder = spool.layout.batch(NAMESPACE, batch)
        _touch_all(folder.state(State.PENDING), _fill(spool, folder, batch, jobs))
        archived = spool.layout.archived_batch(NAMESPACE, batch)
        archived.mkdir(parents=True)
        (archived / folder.header.name).write_bytes(folder.header.read_bytes())
        (archived / folder.job_file.name).write_bytes(folder.job_file.read_bytes())
    return spool


def _fill(spool: Spool, folder: BatchFolder, batch: str, jobs: int) -> list[Ticket]:
    """Makes a batch's folder without tickets; returns those that its jobs start with."""
    header = BatchHeader(
        format=FORMAT,
        id=f"{batch}.yaml",
        namespace=NAMESPACE,
        batch=batch,
        kind="command",
        submitter="bench",
        submitter_uid=os.getuid(),
        submitted_at=_WHEN,
        source=f"{batch}.yaml",
        jobs_total=jobs,
    )
    specs = tuple(JobSpec(name=f"j{number:05}", command="true") for number in range(jobs))
    for state in State:
        folder.state(state).mkdir(parents=True)
    folder.builds.mkdir()
    folder.path.chmod(0o1777)
    folder.header.write_bytes(encode(header))
    folder.jobs.write_bytes(encode(BatchJobs(specs)))
    folder.job_file.write_text(render_job_file(batch, jobs))
    return [Ticket(spec.name, 1) for spec in specs]


def _touch_all(folder: Path, tickets: list[Ticket]) -> None:
    for ticket in tickets:
        os.close(os.open(folder / str(ticket), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def _archive(spool: Spool, batch: str, tickets: list[Ticket]) -> None:
    folder = spool.layout.archived_batch(NAMESPACE, batch)
    folder.mkdir(parents=True)
    outputs = tuple(ArchivedFile(name, 0, _EMPTY_SHA256) for name in ("stdout.txt", "stderr.txt"))
    for ticket in tickets:
        result = spool.layout.archived_job(NAMESPACE, batch, ticket.job)
        result.mkdir()
        for output in outputs:
            os.close(os.open(result / output.path, os.O_WRONLY | os.O_CREAT, 0o644))
        (result / RECORD_NAME).write_bytes(encode(_record(batch, ticket, outputs)))


def _record(batch: str, ticket: Ticket, files: tuple[ArchivedFile, ...]) -> JobRecord:
    return JobRecord(
        namespace=NAMESPACE,
        batch=batch,
        job=ticket.job,
        attempt=ticket.attempt,
        node=_NODE,
        outcome=Outcome.DONE,
        reason="",
        started_at=_WHEN,
        ended_at=_WHEN + 1,
        wall_s=1.0,
        exit_code=0,
        files=files,
    )

"""Reading one batch: its tickets, its builds, what its nodes say, and the records worth reading."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from distribute_cli.reading.nodes import read_node_reports
from distribute_cli.reading.traces import read_traces
from distribute_cli.reports.awaiting import Awaited
from distribute_cli.reports.nodes import Life, NodeReport
from distribute_cli.reports.seen import WAITING, BatchSeen
from distribute_cli.targets import require_batch
from distribute_compute_config.errors import DistributeError
from spoold.awaiting import Standing, read_standing
from spoold.codec import RecordError
from spoold.node_records import NodeStatus
from spoold.records import BatchHeader, BatchJobs, JobRecord, Resources
from spoold.snapshot import (
    BatchRef,
    read_builds,
    read_header,
    read_jobs,
    read_kills,
    read_record,
    read_status,
    read_tickets,
)
from spoold.spool import Spool
from spoold.tickets import State, Ticket

T = TypeVar("T")

#: A listing reads at most so many records, those of jobs that ended badly first: each costs an open.
RECORDS_MAX = 200
_MOVES_MAX = 5
_AWAITED_MAX = 100
_BY_INTEREST = (State.FAILED, State.CANCELLED, State.DONE)


def read_batch(spool: Spool, namespace: str, batch: str, job: str | None = None) -> BatchSeen:
    """The batch as it is now; with ``job``, of the records only its own. Raises NotFound or RecordError."""
    for _ in range(_MOVES_MAX):
        ref = require_batch(spool, namespace, batch)
        seen = _read(spool, ref, job)
        if seen is not None:
            return seen
        # RACE: it was closed or reopened while it was read; look again where it stands.
    raise DistributeError(
        f"{namespace}/{batch} keeps moving", "it is closed and reopened all the time", "try again"
    )


def _read(spool: Spool, ref: BatchRef, job: str | None) -> BatchSeen | None:
    latest = read_tickets(spool, ref.folder).latest()
    header, jobs = read_header(spool, ref.folder), read_jobs(spool, ref.folder)
    if header is None or jobs is None:
        return None
    builds = read_builds(spool, ref.folder)
    return BatchSeen(
        header,
        jobs,
        latest,
        ref.finished,
        builds,
        read_kills(spool, ref.folder, header.submitter_uid),
        _read_records(spool, ref, latest, job),
        _read_nodes(spool, latest),
        read_awaited(spool, header),
        _read_archived(spool, ref, latest),
        spool.settings.retry_wait_s,
        _read_offers(spool, jobs, latest),
        read_traces(spool, ref.folder, builds, header.submitter_uid),
    )


def _read_archived(spool: Spool, ref: BatchRef, latest: dict[str, tuple[State, Ticket]]) -> frozenset[str]:
    """The names in the batch's archive, if some job may be resting after an error."""
    resting = any(state is State.HELD and ticket.attempt > 1 for state, ticket in latest.values())
    folder = spool.layout.archived_batch(ref.namespace, ref.batch)
    return frozenset(spool.ops.names(folder)) if resting else frozenset()


def _read_offers(
    spool: Spool, jobs: BatchJobs, latest: dict[str, tuple[State, Ticket]]
) -> tuple[NodeReport, ...]:
    """The live nodes, if some job that waits says what it needs."""
    waiting = {job for job, (state, _) in latest.items() if state in WAITING}
    if not any(spec.resources != Resources() for spec in jobs.jobs if spec.name in waiting):
        return ()
    return tuple(node for node in read_node_reports(spool) if node.life is Life.LIVE)


def read_awaited(spool: Spool, header: BatchHeader) -> dict[str, Awaited]:
    """The batches that this one comes after, and those that they come after, as far as they have work."""
    known: dict[str, Awaited] = {}
    ahead = list(header.after)
    while ahead and len(known) < _AWAITED_MAX:
        key = ahead.pop(0)
        if key in known or key == header.key:
            continue
        standing = read_standing(spool, key)
        after = _read_after(spool, key) if standing is Standing.UNFINISHED else ()
        known[key] = Awaited(key, standing, after)
        ahead += after
    return known


def _read_after(spool: Spool, key: str) -> tuple[str, ...]:
    namespace, _, batch = key.partition("/")
    folder = spool.layout.batch(namespace, batch)
    header = _known(partial(read_header, spool, folder))
    return header.after if header else ()


def _read_records(
    spool: Spool, ref: BatchRef, latest: dict[str, tuple[State, Ticket]], job: str | None
) -> dict[str, JobRecord]:
    ended = [one for one in latest.values() if one[0] in _BY_INTEREST and one[1].node]
    if job is not None:
        ended = [one for one in ended if one[1].job == job]
    ended.sort(key=lambda one: _BY_INTEREST.index(one[0]))
    folder = spool.layout.archived_batch(ref.namespace, ref.batch)
    records = {t.job: _known(partial(read_record, spool, folder / t.job)) for _, t in ended[:RECORDS_MAX]}
    return {job: record for job, record in records.items() if record is not None}


def _read_nodes(spool: Spool, latest: dict[str, tuple[State, Ticket]]) -> dict[str, NodeStatus]:
    holders = {ticket.node for state, ticket in latest.values() if ticket.node and not state.terminal}
    statuses = {node: _known(partial(read_status, spool, node)) for node in sorted(holders)}
    return {node: status for node, status in statuses.items() if status is not None}


def _known(read: Callable[[], T | None]) -> T | None:
    """Nothing for a record that can't be read: one of them doesn't hide a whole batch.

    `distribute status NS/BATCH/JOB` and `distribute nodes` tell what is wrong with it.
    """
    try:
        return read()
    except RecordError:
        return None


def read_attempts(spool: Spool, namespace: str, batch: str, job: str) -> list[tuple[str, JobRecord]]:
    """The archived attempts of a job, each with its folder's name: ``JOB`` and every ``JOB~ATTEMPT``."""
    archived = spool.layout.archived_batch(namespace, batch)
    folders = [name for name in spool.ops.names(archived) if name == job or name.startswith(f"{job}~")]
    records = [(name, read_record(spool, archived / name)) for name in sorted(folders)]
    return [(name, record) for name, record in records if record is not None]

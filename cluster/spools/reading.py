"""How jobs of a spool stand, in the words of this package; every answer is one look at a few folders."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from cluster.records import NEVER_SATISFIED, QueueJob, join_exit
from cluster.settling import Standing, combine
from cluster.spools.ids import SpoolId, name_namespace, name_shown, parse_id
from cluster.states import JobState
from spoold.layout import BatchFolder
from spoold.records import BatchHeader, EndedBy, JobSpec
from spoold.snapshot import (
    kill_reason,
    list_batches,
    read_header,
    read_jobs,
    read_kills,
    read_mark,
    read_record,
    read_tickets,
)
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_STATES = {
    State.HELD: JobState.PENDING,
    State.PENDING: JobState.PENDING,
    State.CLAIMED: JobState.RUNNING,
    State.PUBLISHING: JobState.COMPLETING,
    State.DONE: JobState.COMPLETED,
    State.FAILED: JobState.FAILED,
    State.CANCELLED: JobState.CANCELLED,
}
_ENDINGS = {
    EndedBy.OUT_OF_MEMORY: JobState.OUT_OF_MEMORY,
    EndedBy.TIME_LIMIT: JobState.TIMEOUT,
    EndedBy.LOST: JobState.NODE_FAIL,
}


@dataclass(frozen=True, slots=True)
class _Known:
    """What never changes of a batch."""

    header: BatchHeader
    specs: Mapping[str, JobSpec]


class SpoolReader:
    """Reads a spool's batches; of each it remembers what never changes."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._known: dict[str, _Known] = {}

    def look(self, job_ids: Collection[str]) -> dict[str, QueueJob]:
        """How these jobs stand; those of which nothing is known are missing. Raises OSError, RecordError."""
        wanted: dict[str, list[SpoolId]] = {}
        for one in map(parse_id, job_ids):
            if one is not None:
                wanted.setdefault(one.key, []).append(one)
        places = self._find({(one[0].namespace, one[0].batch) for one in wanted.values()})
        found: dict[str, QueueJob] = {}
        for key, ids in wanted.items():
            jobs = self._read(ids[0], places[key]) if key in places else None
            if key in places and places[key].path.is_relative_to(self._spool.layout.finished):
                self._known.pop(key, None)  # nobody will ask again
            for one in ids:
                job = self._read_drop(one) if jobs is None else _choose(one, jobs)
                if job is not None:
                    found[str(one)] = job
        return found

    def list_all(self, user: str | None) -> Iterator[QueueJob]:
        """All jobs of a user, or everybody's. Raises OSError, RecordError.

        Of a user's batches that have ended, those in the namespace that this package gives him.
        """
        for finished in (False, True):
            for ref in list_batches(self._spool, finished):
                if finished and user is not None and ref.namespace != name_namespace(user):
                    continue
                jobs = self._read(SpoolId(ref.namespace, ref.batch), ref.folder)
                alone = len(jobs) == 1
                for task, job in jobs.items():
                    if user in (None, job.userid):
                        yield replace(job, job_id=ref.key if alone else f"{ref.key}/{task}")

    def _find(self, batches: Collection[tuple[str, str]]) -> dict[str, BatchFolder]:
        """Where those batches stand that were admitted."""
        layout, names = self._spool.layout, self._spool.ops.names
        places: dict[str, BatchFolder] = {}
        for namespace in {namespace for namespace, _ in batches}:
            # In this order: what moves between the two looks is seen in one of them.
            for root in (layout.batches, layout.finished):
                listed = set(names(root / namespace)) if namespace in names(root) else set()
                for owner, batch in batches:
                    if owner == namespace and batch in listed:
                        places[f"{namespace}/{batch}"] = BatchFolder(root / namespace / batch)
        return places

    def _read(self, batch: SpoolId, folder: BatchFolder) -> dict[str, QueueJob]:
        """The jobs of a batch by their names there; none if it just moved."""
        known = self._learn(batch.key, folder)
        if known is None:
            return {}
        latest = read_tickets(self._spool, folder).latest()
        return {
            name: self._describe(batch, folder, known, *latest[name])
            for name in known.specs
            if name in latest
        }

    def _learn(self, key: str, folder: BatchFolder) -> _Known | None:
        if key not in self._known:
            header, jobs = read_header(self._spool, folder), read_jobs(self._spool, folder)
            if header is None or jobs is None:
                return None
            self._known[key] = _Known(header, {spec.name: spec for spec in jobs.jobs})
        return self._known[key]

    def _describe(
        self, batch: SpoolId, folder: BatchFolder, known: _Known, state: State, ticket: Ticket
    ) -> QueueJob:
        standing = self._judge(batch, folder, known, state, ticket)
        spec = known.specs[ticket.job]
        nodes = (ticket.node,) if ticket.node else ()
        return QueueJob(
            job_id=f"{batch.key}/{ticket.job}",
            name=name_shown(batch.batch),
            userid=known.header.submitter,
            partition="",
            state=standing.state,
            nodes=nodes,
            numnodes=1,
            threads=spec.resources.cores,
            exitcode=standing.exitcode,
            reason=standing.reason,
        )

    def _judge(
        self, batch: SpoolId, folder: BatchFolder, known: _Known, state: State, ticket: Ticket
    ) -> Standing:
        if state is State.DONE:
            return Standing(JobState.COMPLETED, 0)
        if state is State.FAILED:
            return self._judge_failed(batch, ticket)
        if state is not State.CANCELLED:
            return Standing(_STATES[state], None, "Dependency" if state is State.HELD else "")
        kills = read_kills(self._spool, folder, known.header.submitter_uid)
        if ticket.node is None and known.header.after and not kills.hits(ticket.job):
            return Standing(JobState.CANCELLED, None, NEVER_SATISFIED)
        return Standing(JobState.CANCELLED, None, kill_reason(self._spool, folder, ticket.job))

    def _judge_failed(self, batch: SpoolId, ticket: Ticket) -> Standing:
        if ticket.node is None:
            return Standing(JobState.NODE_FAIL, None, "no node could run it, or too many were lost with it")
        place = self._spool.layout.archived_job(batch.namespace, batch.batch, ticket.job)
        record = read_record(self._spool, place)
        if record is None:
            return Standing(JobState.FAILED)
        state = _ENDINGS.get(record.ending, JobState.FAILED) if record.ending else JobState.FAILED
        known = record.exit_code is not None or record.signal is not None
        code = join_exit(record.exit_code or 0, record.signal or 0) if known else None
        return Standing(state, code, _in_keywords(record.reason))

    def _read_drop(self, job: SpoolId) -> QueueJob | None:
        """A job that isn't admitted yet, or was refused."""
        layout, names = self._spool.layout, self._spool.ops.names
        bundle = f"{job.namespace}.{job.batch}."
        shown = QueueJob(str(job), name_shown(job.batch), job.namespace, "", JobState.PENDING, reason="new")
        if any(name.startswith(bundle) for name in names(layout.incoming)):
            return shown
        refused = [name for name in names(layout.rejected) if name.startswith(bundle)]
        reasons = [read_mark(layout.rejected / name) for name in refused if name.endswith(".reason.txt")]
        return replace(shown, state=JobState.FAILED, reason=_first_line(reasons)) if refused else None


def _choose(job: SpoolId, jobs: Mapping[str, QueueJob]) -> QueueJob | None:
    """One job of a batch, or all of it as one."""
    if job.task is not None:
        return jobs.get(job.task)
    if not jobs:
        return None
    whole = combine([Standing(one.state, one.exitcode, one.reason) for one in jobs.values()])
    nodes = tuple(dict.fromkeys(node for one in jobs.values() for node in one.nodes))
    first = next(iter(jobs.values()))
    return replace(
        first, job_id=str(job), state=whole.state, exitcode=whole.exitcode, reason=whole.reason, nodes=nodes
    )


def _in_keywords(reason: str) -> str:
    """What a node advises is said for job files: ``ask for more with resources: {memory: 2G}``."""
    said = re.sub(r"resources: \{memory: (\S+)\}", r"mem='\1'", reason)
    return re.sub(r"resources: \{time: (\S+)\}", r"time='\1'", said)


def _first_line(texts: Collection[str]) -> str:
    text = next(iter(texts), "").strip()
    return text.splitlines()[0] if text else "the spool refused it"

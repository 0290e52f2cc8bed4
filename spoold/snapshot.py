"""What a spool looks like now. Reading only; every answer may be out of date by the time it is returned."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spoold.calls import read_plain
from spoold.codec import decode
from spoold.layout import KILL_NAME, BatchFolder
from spoold.node_records import NodeInfo, NodeStatus
from spoold.records import BatchHeader, BatchJobs, JobRecord
from spoold.spool import Spool
from spoold.tickets import State, Ticket, parse_tickets

_MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class BatchRef:
    """A batch and where it stands; ``finished`` tells which of the two."""

    namespace: str
    batch: str
    folder: BatchFolder
    finished: bool

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.batch}"


@dataclass(frozen=True, slots=True)
class Builds:
    """On which nodes the batch is built, and on which the build failed."""

    ok: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Kills:
    """What was asked to be cancelled: the whole batch, or some jobs of it; names of files without effect."""

    batch: bool = False
    jobs: frozenset[str] = frozenset()
    ineffective: frozenset[str] = frozenset()

    def hits(self, job: str) -> bool:
        return self.batch or job in self.jobs


@dataclass(frozen=True, slots=True)
class BatchTickets:
    """The newest ticket seen of each job, by state and by job."""

    by_state: dict[State, list[Ticket]]

    def latest(self) -> dict[str, tuple[State, Ticket]]:
        """Each job's newest ticket: a ticket that moved on during the listing was seen twice."""
        newest: dict[str, tuple[State, Ticket]] = {}
        for state in State:
            for ticket in self.by_state[state]:
                seen = newest.get(ticket.job)
                if seen is None or seen[1].attempt <= ticket.attempt:
                    newest[ticket.job] = (state, ticket)
        return newest

    def counts(self) -> dict[State, int]:
        return {state: len(tickets) for state, tickets in self.by_state.items()}


def list_batches(spool: Spool, finished: bool = False) -> list[BatchRef]:
    """The batches with work left, or the finished ones, sorted by name; two levels of listing."""
    root = spool.layout.finished if finished else spool.layout.batches
    return [
        BatchRef(namespace, batch, BatchFolder(root / namespace / batch), finished)
        for namespace in sorted(_visible(spool, root))
        for batch in sorted(_visible(spool, root / namespace))
    ]


def find_batch(spool: Spool, namespace: str, batch: str) -> BatchRef | None:
    """Where the batch stands now, looked for by listing (a name is never probed)."""
    # `batches` twice: between the first look and the second it may be reopened.
    for finished in (False, True, False):
        root = spool.layout.finished if finished else spool.layout.batches
        if is_listed(spool, root, namespace, batch):
            return BatchRef(namespace, batch, BatchFolder(root / namespace / batch), finished)
    return None


def is_listed(spool: Spool, root: Path, namespace: str, batch: str) -> bool:
    """Whether ``root/NAMESPACE/BATCH`` is there, listed from the top.

    A path that is opened before it exists may seem missing for a minute, if no folder above is listed.
    """
    return namespace in spool.ops.names(root) and batch in spool.ops.names(root / namespace)


def read_header(spool: Spool, folder: BatchFolder) -> BatchHeader | None:
    """None if the batch is no longer there. Raises RecordError."""
    data = spool.ops.read(folder.header)
    return None if data is None else decode(BatchHeader, data, folder.header)


def read_jobs(spool: Spool, folder: BatchFolder) -> BatchJobs | None:
    """None if the batch is no longer there. Raises RecordError."""
    data = spool.ops.read(folder.jobs)
    return None if data is None else decode(BatchJobs, data, folder.jobs)


def read_state(spool: Spool, folder: BatchFolder, state: State) -> list[Ticket]:
    return parse_tickets(spool.ops.names(folder.state(state)))


def read_tickets(spool: Spool, folder: BatchFolder) -> BatchTickets:
    """All tickets of a batch, its folders listed in the order of a job's life."""
    return BatchTickets({state: read_state(spool, folder, state) for state in State})


def has_work(spool: Spool, folder: BatchFolder) -> bool:
    """Whether a job of the batch hasn't ended."""
    return any(read_state(spool, folder, state) for state in State if not state.terminal)


def read_builds(spool: Spool, folder: BatchFolder) -> Builds:
    names = spool.ops.names(folder.builds)
    return Builds(
        frozenset(n.removesuffix(".ok") for n in names if n.endswith(".ok")),
        frozenset(n.removesuffix(".failed") for n in names if n.endswith(".failed")),
    )


def read_kills(spool: Spool, folder: BatchFolder, submitter_uid: int) -> Kills:
    """The kills that the submitter, the service user or root asked for; anybody else's have no effect."""
    marks = [n for n in spool.ops.names(folder.path) if n == KILL_NAME or n.startswith(KILL_NAME + "~")]
    allowed = [n for n in marks if may_act(spool, folder.path / n, submitter_uid)]
    jobs = frozenset(n.partition("~")[2] for n in allowed if "~" in n)
    return Kills(KILL_NAME in allowed, jobs, frozenset(marks) - frozenset(allowed))


def may_act(spool: Spool, mark: Path, submitter_uid: int) -> bool:
    """Whether the owner of the file ``mark`` may decide about a batch of ``submitter_uid``."""
    try:
        info = mark.lstat()
        service = spool.root.lstat().st_uid
    except FileNotFoundError:
        return False
    # A second name of a file is no word of its owner: anybody may have given it that.
    return (
        info.st_uid in {submitter_uid, service, 0} and info.st_nlink == 1 and not stat.S_ISDIR(info.st_mode)
    )


def kill_reason(spool: Spool, folder: BatchFolder, job: str) -> str:
    """The first line of the mark that hits ``job``; empty if it says nothing."""
    names = spool.ops.names(folder.path)
    for mark in (folder.kill(job), folder.kill()):
        if mark.name in names and (text := read_mark(mark).strip()):
            return text.splitlines()[0].rstrip()[:_MOST_REASON]
    return ""


def read_mark(mark: Path) -> str:
    """The beginning of a file that anybody may have made, so maybe a link or a pipe: then it is empty."""
    try:
        return read_plain(mark, 4 * _MOST_REASON).decode(errors="replace")
    except OSError:
        return ""


def list_nodes(spool: Spool) -> list[str]:
    return sorted(_visible(spool, spool.layout.nodes))


def read_node(spool: Spool, name: str) -> NodeInfo | None:
    path = spool.layout.node(name).info
    data = spool.ops.read(path)
    return None if data is None else decode(NodeInfo, data, path)


def read_status(spool: Spool, name: str) -> NodeStatus | None:
    path = spool.layout.node(name).running
    data = spool.ops.read(path)
    return None if data is None else decode(NodeStatus, data, path)


def read_record(spool: Spool, folder: Path) -> JobRecord | None:
    """The record in a staged or archived folder; None if there is none."""
    path = folder / ".job.json"
    data = spool.ops.read(path)
    return None if data is None else decode(JobRecord, data, path)


def _visible(spool: Spool, folder: Path) -> Iterator[str]:
    return (name for name in spool.ops.names(folder) if not name.startswith("."))

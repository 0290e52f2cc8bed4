"""Where everything lies in a spool: paths only, nothing is touched. ``spool-layout.md`` is its prose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spoold.tickets import State, Ticket

FORMAT = 1
SETTINGS_NAME = "spool.yaml"

#: The folders of a spool's root, with their modes.
ROOT_FOLDERS = {
    "incoming": 0o1777,
    "rejected": 0o1777,
    "batches": 0o755,
    "finished": 0o755,
    "store": 0o755,
    "nodes": 0o755,
    "archive": 0o755,
    "tmp": 0o755,
}
#: Anybody may touch `kill` in a batch and `pause` in a node's folder; nobody may touch another's file there.
SHARED_MODE = 0o1777
FOLDER_MODE = 0o755
FILE_MODE = 0o644
STORE_MODE = 0o444

HEADER_NAME = "batch.json"
JOBS_NAME = "jobs.json"
JOB_FILE_NAME = "job.yaml"
RECORD_NAME = ".job.json"
KILL_NAME = "kill"
OUTBOX_NAME = "outbox"


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """``batches/NAMESPACE/BATCH`` or ``finished/NAMESPACE/BATCH``."""

    path: Path

    @property
    def header(self) -> Path:
        return self.path / HEADER_NAME

    @property
    def jobs(self) -> Path:
        return self.path / JOBS_NAME

    @property
    def job_file(self) -> Path:
        return self.path / JOB_FILE_NAME

    @property
    def builds(self) -> Path:
        return self.path / "builds"

    def build_mark(self, node: str, ok: bool) -> Path:
        return self.builds / f"{node}.{'ok' if ok else 'failed'}"

    @property
    def losses(self) -> Path:
        return self.path / "losses"

    def loss(self, ticket: Ticket, cause: str) -> Path:
        return self.losses / f"{ticket}.{cause}"

    def kill(self, job: str | None = None) -> Path:
        """``kill`` for the batch, ``kill~JOB`` for one job of it."""
        return self.path / (f"{KILL_NAME}~{job}" if job else KILL_NAME)

    def state(self, state: State) -> Path:
        return self.path / state.value

    def ticket(self, state: State, ticket: Ticket) -> Path:
        return Path(self.path, state.value, str(ticket))


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """``nodes/NODE``."""

    path: Path

    @property
    def info(self) -> Path:
        return self.path / "node.json"

    @property
    def running(self) -> Path:
        return self.path / "running.json"

    @property
    def lease(self) -> Path:
        return self.path / "lease"

    @property
    def holder(self) -> Path:
        """Whose hold of the lease is the node's own."""
        return self.path / "holder.json"

    @property
    def pause(self) -> Path:
        return self.path / "pause"

    @property
    def drain(self) -> Path:
        return self.path / "drain"

    @property
    def clear(self) -> Path:
        """Somebody wants the node's quarantines to be lifted."""
        return self.path / "clear"

    @property
    def trouble(self) -> Path:
        """An empty file: it can still be made when the disk is full."""
        return self.path / "spool-full"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def log(self, namespace: str, batch: str, ticket: Ticket, stream: str) -> Path:
        """The live copy of a running job's output; ``stream`` is ``stdout`` or ``stderr``."""
        return self.logs / namespace / batch / f"{ticket.attempt_name}.{stream}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of the spool at ``root``."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / SETTINGS_NAME

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def rejected(self) -> Path:
        return self.root / "rejected"

    @property
    def batches(self) -> Path:
        return self.root / "batches"

    @property
    def finished(self) -> Path:
        return self.root / "finished"

    @property
    def nodes(self) -> Path:
        return self.root / "nodes"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def outbox(self) -> Path:
        return self.root / OUTBOX_NAME

    def notices(self, box: str) -> Path:
        """The folder of the notices in one state: ``waiting``, ``sent`` or ``failed``."""
        return self.outbox / box

    @property
    def steward_lease(self) -> Path:
        return self.root / "steward.lease"

    @property
    def staging_root(self) -> Path:
        return self.archive / ".staging"

    @property
    def saves_root(self) -> Path:
        return self.archive / ".resume"

    def batch(self, namespace: str, batch: str) -> BatchFolder:
        return BatchFolder(self.batches / namespace / batch)

    def finished_batch(self, namespace: str, batch: str) -> BatchFolder:
        return BatchFolder(self.finished / namespace / batch)

    def node(self, name: str) -> NodeFolder:
        return NodeFolder(self.nodes / name)

    def store_object(self, sha256: str) -> Path:
        return self.root / "store" / sha256[:2] / sha256

    def archived_batch(self, namespace: str, batch: str) -> Path:
        return Path(self.archive, namespace, batch)

    def admitted(self, namespace: str, batch: str) -> Path:
        """The batch folder between its admission's commit and its appearance in ``batches/``."""
        return self.archived_batch(namespace, batch) / ".admitted"

    def archived_job(self, namespace: str, batch: str, job: str) -> Path:
        return self.archived_batch(namespace, batch) / job

    def archived_attempt(self, namespace: str, batch: str, ticket: Ticket) -> Path:
        """What an attempt left that isn't the job's result: it was retried."""
        return self.archived_batch(namespace, batch) / ticket.attempt_name

    def build_output(self, namespace: str, batch: str, node: str) -> Path:
        return self.archived_batch(namespace, batch) / f"{batch}_build_output-{node}.txt"

    def staging(self, namespace: str, batch: str, ticket: Ticket) -> Path:
        return Path(self.staging_root, namespace, batch, str(ticket))

    def save(self, namespace: str, batch: str, ticket: Ticket) -> Path:
        """What an evicted attempt saved, for the next one."""
        return Path(self.saves_root, namespace, batch, ticket.attempt_name)

"""What is read of a batch before anything is said about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distribute_cli.reports.awaiting import Awaited, AwaitedLine, say_rest
from distribute_cli.reports.nodes import NodeReport
from distribute_cli.reports.sizing import Oversized, find_oversized
from spoold.losses import Loss
from spoold.node_records import NodeStatus, RunningJob
from spoold.records import BatchHeader, BatchJobs, BuildRecord, JobRecord, JobSpec
from spoold.resting import count_kept, rest_s
from spoold.snapshot import Builds, Kills
from spoold.tickets import State, Ticket


@dataclass(frozen=True, slots=True)
class Mark:
    """A ``kill`` file: of the whole batch, or of ``job``; ``honoured`` if its owner may cancel this batch."""

    job: str | None
    owner: str
    reason: str
    honoured: bool


@dataclass(frozen=True, slots=True)
class Traces:
    """What tells why jobs didn't run: kill files, failed builds, lost attempts."""

    marks: tuple[Mark, ...] = ()
    failed_builds: tuple[BuildRecord, ...] = ()
    losses: tuple[Loss, ...] = ()


WAITING = (State.HELD, State.PENDING)


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """What was read of a batch; ``records`` has those that were worth their reading, by job.

    ``awaited`` has the batches that it comes after, and those that these come after. ``archived`` are names
    in its archive, and ``offers`` the live nodes; both are read only where they matter.
    """

    header: BatchHeader
    jobs: BatchJobs
    latest: Mapping[str, tuple[State, Ticket]]
    finished: bool
    builds: Builds = field(default_factory=Builds)
    kills: Kills = field(default_factory=Kills)
    records: Mapping[str, JobRecord] = field(default_factory=dict)
    nodes: Mapping[str, NodeStatus] = field(default_factory=dict)
    awaited: Mapping[str, Awaited] = field(default_factory=dict)
    archived: frozenset[str] = frozenset()
    retry_wait_s: float = 0.0
    offers: tuple[NodeReport, ...] = ()
    traces: Traces = Traces()

    @property
    def before(self) -> tuple[AwaitedLine, ...]:
        """The batches that must have ended well, in the order of the job file."""
        known = [self.awaited.get(key) for key in self.header.after]
        return tuple(AwaitedLine(one.batch, one.standing) for one in known if one)

    def describe_rest(self, job: str) -> str:
        """How long a held job rests before it is tried again; empty if it doesn't."""
        state, ticket = self.latest[job]
        errors = count_kept(self.archived, ticket) if state is State.HELD else 0
        return say_rest(ticket, errors, rest_s(self.retry_wait_s, errors)) if errors else ""

    def find_oversized(self) -> list[Oversized]:
        """Of the jobs that wait for a node or for others, those that fit no live node."""
        wanted = set(self.header.needs)
        capable = [node for node in self.offers if wanted <= set(node.capabilities)]
        waiting = {job for job, (state, _) in self.latest.items() if state in WAITING}
        asked = {spec.name: spec.resources for spec in self.jobs.jobs if spec.name in waiting}
        return find_oversized(asked, capable) if capable and asked else []

    def spec(self, job: str) -> JobSpec:
        """Raises KeyError."""
        return {spec.name: spec for spec in self.jobs.jobs}[job]


def find_running(seen: BatchSeen, node: str | None, job: str) -> RunningJob | None:
    """What the node that holds the job says about it."""
    status = seen.nodes.get(node or "")
    wanted = (seen.header.namespace, seen.header.batch, job)
    jobs = status.jobs if status else ()
    return next((one for one in jobs if (one.namespace, one.batch, one.job) == wanted), None)

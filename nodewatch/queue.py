"""The jobs that this node could take: listed now and then, claimed one by one.

A listing is only a hint. It is kept from one claim to the next, so that a claim costs one rename however
many jobs wait.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock

from nodewatch.capacity import Grant, is_sharing, need_of
from nodewatch.ledger import Ledger
from nodewatch.others import OtherNodes
from nodewatch.picking import Candidate, Group, Line, PickBatch, may_run
from nodewatch.process.pausing import hits
from nodewatch.quarantine import Elsewhere, Quarantines, look_elsewhere
from nodewatch.scheduling import Reservation, Waiting, choose
from nodewatch.scratch import Scratch
from spoold.claims import claim
from spoold.codec import RecordError
from spoold.layout import BatchFolder
from spoold.leases import LeaseWatch
from spoold.pacing import spacing_s
from spoold.records import BatchHeader, JobSpec
from spoold.snapshot import (
    BatchRef,
    list_batches,
    read_builds,
    read_header,
    read_jobs,
    read_kills,
    read_state,
)
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_log = logging.getLogger(__name__)

#: Listing takes at most this share of a node's time, however many jobs wait.
_SHARE = 0.02
#: Listings come after so many ``rescan_s`` at the latest: while there are jobs, and while there are none.
_MOST_ROUNDS, _IDLE_ROUNDS = 10, 2
#: So many claims in a row lost to other nodes mean that the listing is out of date.
_MOST_MISSES = 4
_SOONEST_S = 0.05
_MOST_LEFT = 16


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that is this node's, and what it has of the node."""

    ref: BatchRef
    header: BatchHeader
    job: JobSpec
    ticket: Ticket
    grant: Grant

    @property
    def key(self) -> str:
        return f"{self.ref.key}/{self.ticket}"


@dataclass(frozen=True, slots=True)
class _Known:
    """A batch whose records were read; they never change."""

    ref: BatchRef
    header: BatchHeader
    jobs: dict[str, tuple[int, JobSpec]]
    shares_tree: bool


def shares_tree(jobs: Iterable[JobSpec]) -> bool:
    """Whether jobs of one batch may run side by side, so that each needs a copy of the built tree."""
    return any(is_sharing(job.resources) for job in jobs)


class Queue:
    """What waits for this node. Used by one thread at a time; ``ledger`` says what there is room for."""

    def __init__(
        self,
        spool: Spool,
        scratch: Scratch,
        node: str,
        capabilities: frozenset[str],
        quarantines: Quarantines,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool, self._scratch, self._node, self._clock = spool, scratch, node, clock
        self._capabilities, self._quarantines, self._ledger = capabilities, quarantines, ledger
        self._known: dict[str, _Known] = {}
        self._useless: dict[str, str] = {}
        self._line = Line()
        self._elsewhere: Counter[str] = Counter()
        self._others = OtherNodes(spool, node)
        self._reservation: Reservation | None = None
        self._building: dict[str, str] = {}
        self._doubtful: Candidate | None = None
        self._watch = LeaseWatch(spool.settings.heartbeat_s)
        self._listed_s, self._listing_took_s = -1e9, 0.0
        self._rounds = _IDLE_ROUNDS
        self._lock = Lock()
        #: The jobs ``NAMESPACE/BATCH/JOB`` and batches that are paused by name: they aren't begun here now.
        self.barred: Callable[[], frozenset[str]] = frozenset

    def take(self) -> Claimed | None:
        """Claim the best job there is; None if there is none now. Raises OSError or SpoolFull."""
        with self._lock:
            # Nobody else would: the node lives, and doesn't know that the job is its.
            if self._doubtful and self._has_room(self._doubtful) and (claimed := self._claim(self._doubtful)):
                return claimed
            self._list_if(self._spool.settings.rescan_s)
            misses = 0
            while (group := self._choose()) or self._list_if(_SOONEST_S):
                if group is None:
                    continue
                claimed = self._claim(group.pop())
                if claimed:
                    return claimed
                # Another node goes through the same list: a few of the next are left to it, until the next
                # listing. Else both would ask for every job, and each cost one of them a message in vain.
                group.skip(random.randrange(min(_MOST_LEFT, len(group.jobs) // 4) + 1))
                misses += 1
                if misses >= _MOST_MISSES:
                    self._list_if(_SOONEST_S)
                    misses = 0
            return None

    def look(self) -> bool:
        """Whether there is something to take: nothing is said only after a look that is new."""
        with self._lock:
            self._list_if(self._spool.settings.rescan_s)
            return self._choose() is not None or (self._list_if(_SOONEST_S) and self._choose() is not None)

    def note_building(self, claimed: Claimed) -> None:
        """Take no other job of its batch until ``built`` is told of this attempt."""
        with self._lock:
            self._building[claimed.ref.key] = claimed.key

    def is_building(self, batch: str) -> bool:
        """Whether an attempt builds ``NAMESPACE/BATCH`` here."""
        with self._lock:
            return batch in self._building

    def built(self, key: str) -> None:
        """The attempt of this key builds no more, if it did."""
        with self._lock:
            self._building = {batch: one for batch, one in self._building.items() if one != key}

    def _choose(self) -> Group | None:
        """Where the best job is that there is room for."""
        ledger, running = self._ledger, self._ledger.running()
        waiting = (
            Waiting((group.batch, group.head.ticket), need_of(group.head.job, ledger.capacity), group)
            for group in self._line.ranked(self._elsewhere + Counter(ledger.cores_at_work()))
            if group.batch not in self._building
        )
        choice = choose(waiting, running, ledger.capacity, self._clock(), self._reservation)
        self._reservation = choice.reservation
        return choice.start

    def _has_room(self, candidate: Candidate) -> bool:
        waiting = Waiting(None, need_of(candidate.job, self._ledger.capacity), candidate)
        running, capacity = self._ledger.running(), self._ledger.capacity
        return choose([waiting], running, capacity, self._clock()).start is not None

    def rest_s(self) -> float:
        """How long the last listing is still good enough; ``take`` finds nothing new before."""
        return max(0.0, self._listed_s + self._spacing_s(_SOONEST_S) - self._clock())

    def batches(self) -> dict[str, BatchRef]:
        """The batches with work, by ``NAMESPACE/BATCH``, as of now."""
        return {ref.key: ref for ref in list_batches(self._spool)}

    def needs_us(self) -> bool:
        """Whether a batch with work is there that this node might be for, now or later."""
        with self._lock:
            return any(ref.key not in self._useless for ref in list_batches(self._spool))

    def forget(self, key: str) -> None:
        """Drop what is listed of a batch that fails here; the next listing knows it."""
        with self._lock:
            self._line.forget(key)

    def _claim(self, candidate: Candidate) -> Claimed | None:
        known, header = self._known[candidate.header.key], candidate.header
        if self._scratch.holds(header.namespace, header.batch, candidate.ticket.job):
            # It was given back while nobody heard of this node: who has the earlier attempt takes it over.
            return None
        if hits(self.barred(), f"{header.key}/{candidate.ticket.job}"):
            return None
        # An error leaves open whether it was done; then the next try tells.
        self._doubtful = candidate
        ticket = claim(self._spool, known.ref.folder, candidate.ticket, self._node)
        self._doubtful = None
        if ticket is None:
            return None
        key = f"{known.ref.key}/{ticket}"
        if known.shares_tree and not self._scratch.tree(header.namespace, header.batch).ready(header):
            self._building[known.ref.key] = key
        need = need_of(candidate.job, self._ledger.capacity)
        grant = self._ledger.grant(key, need, known.shares_tree)
        return Claimed(known.ref, known.header, candidate.job, ticket, grant)

    def _list_if(self, older_than_s: float) -> bool:
        """List anew if the listing is older than that, and than what a listing may cost; is there any job?"""
        started_s = self._clock()
        if started_s - self._listed_s < self._spacing_s(older_than_s):
            return False
        self._line = Line(self._look(), "gpu" in self._capabilities)
        self._rounds = _MOST_ROUNDS if self._line else _IDLE_ROUNDS
        self._elsewhere = Counter()
        if len(self._line.namespaces()) > 1:
            for known in self._known.values():
                specs = {job: spec for job, (_, spec) in known.jobs.items()}
                self._elsewhere[known.ref.namespace] += self._others.count(known.ref, specs)
        self._listed_s = self._clock()
        self._listing_took_s = self._listed_s - started_s
        return bool(self._line)

    def _spacing_s(self, least_s: float) -> float:
        return spacing_s(least_s, self._listing_took_s, _SHARE, self._rounds * self._spool.settings.rescan_s)

    def _look(self) -> list[PickBatch]:
        refs = list_batches(self._spool)
        keys = {ref.key for ref in refs}
        self._known = {key: known for key, known in self._known.items() if key in keys}
        self._useless = {key: why for key, why in self._useless.items() if key in keys}
        if self._doubtful and self._doubtful.header.key not in keys:
            # It was ours, and given back while the server wasn't heard of: its batch has ended.
            self._doubtful = None
        self._quarantines.keep_only(keys)
        found = [self._look_at(ref) for ref in refs if ref.key not in self._useless]
        return [batch for batch in found if batch]

    def _look_at(self, ref: BatchRef) -> PickBatch | None:
        try:
            known = self._learn(ref)
        except RecordError as error:
            self._useless[ref.key] = str(error)
            _log.error("%s: %s", ref.key, error)
            return None
        if known is None:
            return None
        pending = read_state(self._spool, ref.folder, State.PENDING)
        if not pending or not self._welcome(known):
            return None
        built = known.header.needs_build and self._scratch.tree(ref.namespace, ref.batch).ready(known.header)
        barred = self.barred()
        tickets = tuple(
            ticket
            for ticket in pending
            if ticket.job in known.jobs and not (barred and hits(barred, f"{ref.key}/{ticket.job}"))
        )
        return PickBatch(known.header, known.jobs, tickets, built)

    def _learn(self, ref: BatchRef) -> _Known | None:
        known = self._known.get(ref.key)
        if known:
            return known
        header = read_header(self._spool, ref.folder)
        if header is None:
            return None
        if not may_run(header, self._capabilities):
            self._useless[ref.key] = "this node lacks a capability"
            return None
        jobs = read_jobs(self._spool, ref.folder)
        if jobs is None:
            return None
        by_name = {job.name: (position, job) for position, job in enumerate(jobs.jobs)}
        self._known[ref.key] = _Known(ref, header, by_name, shares_tree(jobs.jobs))
        return self._known[ref.key]

    def _welcome(self, known: _Known) -> bool:
        """Whether nothing keeps this node from the batch: a kill, jobs or a build that failed here."""
        header, folder = known.header, known.ref.folder
        if read_kills(self._spool, folder, header.submitter_uid).batch:
            return False
        key = header.key
        if not self._quarantines.admits(key, lambda: self._look_elsewhere(folder, key)):
            return False
        return not header.needs_build or self._node not in read_builds(self._spool, folder).failed

    def _look_elsewhere(self, folder: BatchFolder, key: str) -> Elsewhere:
        return look_elsewhere(self._spool, folder, key, self._node, self._silent_s)

    def _silent_s(self, node: str) -> float:
        return self._watch.look(self._spool.layout.node(node).lease, self._clock())

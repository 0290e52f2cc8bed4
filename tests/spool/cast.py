"""Stewards and nodes of one spool, and what may happen in the midst of what one of them does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from spoold import claims, publication, saves
from spoold.records import Outcome
from spoold.snapshot import BatchRef, list_batches, read_jobs, read_state
from spoold.spool import Spool
from spoold.steward import Steward
from spoold.sweeping import sweep_staging
from spoold.tickets import State, Ticket
from tests.spool.lab import Crash, Disk, Hook, Lab
from tests.spool.witness import Witness


class Event(Enum):
    """What may happen in the midst of a step; all but the first are acts of somebody else."""

    CRASH = "crash"
    STEWARD = "steward"
    STAGING = "staging"
    CLAIM = "claim"
    RECLAIM = "reclaim"
    PUBLISH = "publish"


@dataclass(frozen=True)
class Trouble:
    """At operation ``number`` of a step, ``when`` (before or after) it: ``what`` happens."""

    what: Event
    when: str
    number: int


class Cast:
    """Two stewards of long memory, a third one that comes by, and nodes that remember what they claimed."""

    def __init__(self, lab: Lab, witness: Witness, nodes: Sequence[str]) -> None:
        self.lab, self.witness, self.nodes = lab, witness, nodes
        self.stewards = [self._new_steward() for _ in range(2)]
        self.memory: dict[str, list[tuple[BatchRef, Ticket]]] = {node: [] for node in nodes}
        self._bystander = self._new_steward()[0]
        self._results = 0
        self._outcomes: dict[tuple[str, Ticket], Outcome] = {}

    def tickets(self, *states: State) -> list[tuple[BatchRef, Ticket]]:
        refs = list_batches(self.lab.spool)
        return [(r, t) for r in refs for s in states for t in read_state(self.lab.spool, r.folder, s)]

    # Stewards

    def _new_steward(self) -> tuple[Steward, Disk]:
        spool = self.lab.reopen()
        assert isinstance(spool.ops, Disk)
        return Steward(spool, self.lab.clock), spool.ops

    def restart_stewards(self) -> None:
        self.stewards = [self._new_steward() for _ in range(2)]

    def sweep(self, which: int, wait_s: float, trouble: Trouble | None = None) -> None:
        self.lab.clock.now_s += wait_s
        self._bystander.admit_drops()
        steward, disk = self.stewards[which]
        disk.hook = self._hook(trouble)
        try:
            steward.sweep()
            disk.hook = None
        except Crash:
            self.stewards[which] = self._new_steward()

    def sweep_staging(self, trouble: Trouble | None) -> None:
        try:
            sweep_staging(self.lab.reopen(self._hook(trouble)))
        except Crash:
            return

    def sweep_saves(self, trouble: Trouble | None) -> None:
        try:
            saves.sweep_saves(self.lab.reopen(self._hook(trouble)))
        except Crash:
            return

    # Nodes

    def as_node(self, node: str, trouble: Trouble | None, act: Callable[[Spool], object]) -> None:
        spool = self.lab.reopen(self._hook(trouble, node))
        try:
            act(spool)
        except Crash:
            # The next daemon knows what lies in the spool only.
            self.memory[node] = [one for one in self.tickets(State.CLAIMED) if one[1].node == node]

    def take(self, spool: Spool, ref: BatchRef, ticket: Ticket, node: str) -> Ticket | None:
        mine = claims.claim(spool, ref.folder, ticket, node)
        if mine:
            self.memory[node].append((ref, mine))
        return mine

    def give_back(self, node: str) -> None:
        """Its lease lapsed; it doesn't know."""
        for ref, ticket in self.tickets(State.CLAIMED):
            if ticket.node == node:
                claims.give_back(self.lab.spool, ref.folder, ticket)

    def deliver(self, spool: Spool, ref: BatchRef, ticket: Ticket, outcome: Outcome) -> None:
        """A node has a result of a job that it holds, or believes to hold."""
        self._upload(spool, ref, ticket, outcome)
        held = self.memory[ticket.node or ""]
        if (ref, ticket) in held:
            held.remove((ref, ticket))

    def evict(self, spool: Spool, ref: BatchRef, ticket: Ticket) -> None:
        """A node gives back a job that it holds, or believes to hold, and keeps what it saved."""
        held = self.memory[ticket.node or ""]
        if (ref, ticket) in held:
            held.remove((ref, ticket))
        if (ref.batch, ticket) in self._outcomes:
            return
        self._results += 1
        files = {"out.txt": f"{ticket} {self._results}"}
        try:
            publication.stage(spool, self.lab.result(ref, ticket, Outcome.FAILED, files))
        except FileNotFoundError:
            assert not self._holds(ref, ticket)
            return
        spool.ops.flush()
        if self._holds(ref, ticket):
            saves.keep_save(spool, ref.namespace, ref.batch, ticket)
            claims.give_back(spool, ref.folder, ticket)
        else:
            publication.discard(spool, ref.namespace, ref.batch, ticket)

    def _upload(self, spool: Spool, ref: BatchRef, ticket: Ticket, outcome: Outcome) -> None:
        # An attempt ends once: its node has that on its disk, whatever becomes of its daemon.
        outcome = self._outcomes.setdefault((ref.batch, ticket), outcome)
        self._results += 1
        result = self.lab.result(ref, ticket, outcome, {"out.txt": f"{ticket} {self._results}"})
        try:
            publication.stage(spool, result)
        except FileNotFoundError:
            # Fenced, and the staging folder was swept while it was written.
            assert not self._holds(ref, ticket)
            return
        spool.ops.flush()
        if self._has_retries(spool, ref, ticket, outcome):
            self._retry(spool, ref, ticket)
        elif publication.publish(spool, ref.folder, ticket):
            publication.finish(spool, ref.folder, ref.namespace, ref.batch, ticket)
        else:
            if not self.witness.ended(ref.batch, ticket):
                self.witness.void.add((ref.batch, str(ticket)))
            publication.discard(spool, ref.namespace, ref.batch, ticket)

    def _retry(self, spool: Spool, ref: BatchRef, ticket: Ticket) -> None:
        if self._holds(ref, ticket):
            publication.keep_attempt(spool, ref.namespace, ref.batch, ticket)
            claims.back_off(spool, ref.folder, ticket)
        else:
            publication.discard(spool, ref.namespace, ref.batch, ticket)

    def _has_retries(self, spool: Spool, ref: BatchRef, ticket: Ticket, outcome: Outcome) -> bool:
        jobs = read_jobs(spool, ref.folder)
        retries = next(j.retries for j in jobs.jobs if j.name == ticket.job) if jobs else 0
        errors = publication.count_errors(spool, ref.namespace, ref.batch, ticket)
        return outcome is Outcome.FAILED and errors < retries

    def _holds(self, ref: BatchRef, ticket: Ticket) -> bool:
        return ticket in read_state(self.lab.spool, ref.folder, State.CLAIMED)

    # Trouble

    def _hook(self, trouble: Trouble | None, actor: str = "") -> Hook | None:
        if trouble is None:
            return None
        start: list[int] = []

        def act(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
            start.append(number)
            if (when, number - start[0] + 1) == (trouble.when, trouble.number):
                self._happen(trouble.what, actor)

        return act

    def _happen(self, what: Event, actor: str) -> None:
        """Somebody else than ``actor`` acts, without any trouble of his own."""
        match what:
            case Event.CRASH:
                raise Crash
            case Event.STEWARD:
                self.lab.clock.now_s += 3.0
                self._bystander.sweep()
            case Event.STAGING:
                sweep_staging(self.lab.spool)
            case Event.CLAIM:
                other = next(node for node in self.nodes if node != actor)
                for ref, ticket in self.tickets(State.PENDING):
                    self.take(self.lab.spool, ref, ticket, other)
            case Event.RECLAIM:
                for node in self.nodes:
                    self.give_back(node)
            case Event.PUBLISH:
                self._deliver_of_others(actor)

    def _deliver_of_others(self, actor: str) -> None:
        # One node has one daemon: its lease sees to that.
        for ref, ticket in self.tickets(State.CLAIMED):
            if ticket.node != actor:
                self.deliver(self.lab.spool, ref, ticket, Outcome.DONE)

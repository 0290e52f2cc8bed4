"""Any interleaving of stewards and nodes, any of them killed anywhere: what must hold after every step.

The disk is real. A ``Trouble`` is what happens in the midst of a step: at one of its operations the actor
dies, or somebody else acts.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spoold.codec import encode
from spoold.records import Outcome, RetryRequest
from spoold.snapshot import list_batches
from spoold.spool import Spool
from spoold.tickets import State
from tests.spool.cast import Cast, Event, Trouble
from tests.spool.lab import job_file, make_lab
from tests.spool.witness import Witness

NODES = ("n1", "n2", "n3")
BATCHES = ("b", "c")
SHAPES = (
    {"a": "", "r": "retries: 1", "s": "retries: 2"},
    {"a": "", "d": "depends: [a]", "e": "depends: [d]", "f": ""},
)
MOST_DROPS, MOST_KILLS, QUIET_ROUNDS = 5, 2, 40


def troubles(most: int) -> st.SearchStrategy[Trouble | None]:
    """Something, or nothing, at one of the first ``most`` operations."""
    when = st.sampled_from(["before", "after"])
    return st.none() | st.builds(Trouble, st.sampled_from(Event), when, st.integers(1, most))


picks = st.integers(0, 9)
outcomes = st.sampled_from(Outcome)


class SpoolMachine(RuleBasedStateMachine):
    """Three stewards, three nodes, two batches, each dropped any number of times."""

    def __init__(self) -> None:
        super().__init__()
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="machine-", dir=base))
        self.lab = make_lab(self.folder)
        self.witness = Witness(self.lab.spool, BATCHES)
        self.cast = Cast(self.lab, self.witness, NODES)
        self.drops = self.kills = self.requests = 0

    def teardown(self) -> None:
        try:
            # What was found already must not be hidden by what follows from it.
            if sys.exception() is None:
                self.come_to_rest()
        finally:
            shutil.rmtree(self.folder)

    # Users

    @initialize(admitted=st.booleans(), shapes=st.permutations(SHAPES), ordered=st.booleans())
    def begin(self, admitted: bool, shapes: list[dict[str, str]], ordered: bool) -> None:
        """Maybe the second batch comes after the first one."""
        for batch, shape in zip(BATCHES, shapes, strict=True):
            after = f"after: ns/{BATCHES[0]}" if ordered and batch != BATCHES[0] else ""
            self.lab.drop(f"{batch}.yaml", job_file(batch, shape, after))
        if admitted:
            self.cast.sweep(0, 0.0)
            self.cast.sweep(0, 3.0)

    @precondition(lambda self: self.drops < MOST_DROPS)
    @rule(batch=st.sampled_from(BATCHES), shape=st.sampled_from(SHAPES), again=st.booleans())
    def drop(self, batch: str, shape: dict[str, str], again: bool) -> None:
        self.drops += 1
        name = batch if again else f"{batch}{self.drops}"
        self.lab.drop(f"{name}.yaml", job_file(batch, shape))

    @precondition(lambda self: self.kills < MOST_KILLS and self.cast.tickets(State.PENDING, State.CLAIMED))
    @rule(batch=st.sampled_from(BATCHES), job=st.sampled_from(["a", "d", "s", None]))
    def kill(self, batch: str, job: str | None) -> None:
        folder = self.lab.spool.layout.batch("ns", batch)
        if folder.path.is_dir():
            self.kills += 1
            folder.kill(job).touch()

    @rule(batch=st.sampled_from(BATCHES))
    def retry(self, batch: str) -> None:
        layout = self.lab.spool.layout
        names = [
            name
            for place in (layout.batch("ns", batch), layout.finished_batch("ns", batch))
            for state in (State.FAILED, State.CANCELLED)
            for name in self.lab.spool.ops.names(place.state(state))
        ]
        if names:
            self.requests += 1
            path = layout.incoming / f"r{self.requests}.retry"
            path.write_bytes(encode(RetryRequest("ns", batch, tuple(names))))

    # Stewards

    @rule(which=st.integers(0, 1), wait_s=st.sampled_from([0.0, 3.0, 11.0]), trouble=troubles(12))
    def sweep(self, which: int, wait_s: float, trouble: Trouble | None) -> None:
        self.cast.sweep(which, wait_s, trouble)

    @rule(trouble=troubles(6))
    def sweep_staging(self, trouble: Trouble | None) -> None:
        self.cast.sweep_staging(trouble)

    @precondition(lambda self: self.cast.tickets(State.CLAIMED))
    @rule(node=st.sampled_from(NODES))
    def reclaim(self, node: str) -> None:
        self.cast.give_back(node)

    # Nodes

    @precondition(lambda self: self.cast.tickets(State.PENDING))
    @rule(node=st.sampled_from(NODES), pick=picks, trouble=troubles(2))
    def claim(self, node: str, pick: int, trouble: Trouble | None) -> None:
        pending = self.cast.tickets(State.PENDING)
        ref, ticket = pending[pick % len(pending)]
        self.cast.as_node(node, trouble, lambda spool: self.cast.take(spool, ref, ticket, node))

    @precondition(lambda self: self.cast.tickets(State.PENDING))
    @rule(node=st.sampled_from(NODES), pick=picks, outcome=outcomes, trouble=troubles(12))
    def run(self, node: str, pick: int, outcome: Outcome, trouble: Trouble | None) -> None:
        """A job from its claim to its end."""
        pending = self.cast.tickets(State.PENDING)
        ref, ticket = pending[pick % len(pending)]

        def act(spool: Spool) -> None:
            mine = self.cast.take(spool, ref, ticket, node)
            if mine:
                self.cast.deliver(spool, ref, mine, outcome)

        self.cast.as_node(node, trouble, act)

    @precondition(lambda self: self.cast.tickets(State.PENDING))
    @rule(picks=st.lists(picks, min_size=1, max_size=4), outcome=outcomes)
    def work(self, picks: list[int], outcome: Outcome) -> None:
        """Several jobs from their claim to their end, without trouble."""
        for pick in picks:
            if self.cast.tickets(State.PENDING):
                self.run("n3", pick, outcome, None)

    @precondition(lambda self: any(self.cast.memory.values()))
    @rule(pick=picks, outcome=outcomes, trouble=troubles(12))
    def end(self, pick: int, outcome: Outcome, trouble: Trouble | None) -> None:
        """A node brings a result of a job that it has, or believes it has."""
        held = [(node, *one) for node in NODES for one in self.cast.memory[node]]
        node, ref, ticket = held[pick % len(held)]
        self.cast.as_node(node, trouble, lambda spool: self.cast.deliver(spool, ref, ticket, outcome))

    @precondition(lambda self: any(self.cast.memory.values()))
    @rule(pick=picks, trouble=troubles(12))
    def evict(self, pick: int, trouble: Trouble | None) -> None:
        """A node gives a job back that it has, or believes it has; what it saved waits for the next attempt."""
        held = [(node, *one) for node in NODES for one in self.cast.memory[node]]
        node, ref, ticket = held[pick % len(held)]
        self.cast.as_node(node, trouble, lambda spool: self.cast.evict(spool, ref, ticket))

    @rule(trouble=troubles(6))
    def sweep_saves(self, trouble: Trouble | None) -> None:
        self.cast.sweep_saves(trouble)

    # What must hold

    @invariant()
    def look(self) -> None:
        self.witness.look()

    def come_to_rest(self) -> None:
        """Everybody goes on without trouble until nothing changes any more."""
        spool, cast = self.lab.spool, self.cast
        cast.restart_stewards()
        for _ in range(QUIET_ROUNDS):
            for which in (0, 1):
                cast.sweep(which, 11.0)
            for ref, ticket in cast.tickets(State.PENDING):
                assert cast.take(spool, ref, ticket, "n1")
            for ref, ticket in cast.tickets(State.CLAIMED):
                cast.deliver(spool, ref, ticket, Outcome.DONE)
            self.look()
            if not list_batches(spool) and not self.lab.incoming():
                break
        assert (list_batches(spool), self.lab.incoming()) == ([], [])
        cast.sweep_staging(None)
        cast.sweep_saves(None)
        assert not list(spool.layout.archive.glob(".staging/**/*@*"))
        assert not list(spool.layout.archive.glob(".resume/**/*~*"))
        for ref in list_batches(spool, finished=True):
            assert set(self.lab.tickets(ref)) <= {"done", "failed", "cancelled"}


SETTINGS = settings(
    max_examples=60 if settings().derandomize else settings().max_examples, stateful_step_count=40
)
SpoolMachine.TestCase.settings = SETTINGS
TestSpoolMachine = SpoolMachine.TestCase

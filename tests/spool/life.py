"""A batch from its drop to its end, with everything that may befall a job, by processes that may die.

``a`` fails once and is retried by its node; ``c`` is lost with a node and run again; ``d`` depends on ``a``,
fails, is retried on request after the batch was closed, and ends well; ``e`` is evicted, and its next attempt
finds what was saved; ``k`` is killed before it runs; ``l`` is lost with three nodes, which is too many, and is
retried as ``d`` is; ``t`` simply runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distribute_compute_config.errors import DistributeError
from spoold import claims, publication, saves
from spoold.codec import encode
from spoold.fsops import FileOps
from spoold.records import Outcome, RetryRequest
from spoold.snapshot import BatchRef, find_batch, list_batches, read_state
from spoold.spool import Spool
from spoold.steward import Steward
from spoold.tickets import State, Ticket
from tests.spool.faulty import USER, Call, FaultyKernel, Plan
from tests.spool.lab import Crash, Lab, job_file
from tests.spool.witness import Witness

MOST_ROUNDS = 30
ROUND_S = 11.0
INPUT = "an input"
JOBS = {"a": "retries: 1", "c": "", "d": "depends: [a]", "e": "", "k": "", "l": "", "t": ""}
ENDS = {"a": "done", "c": "done", "d": "done", "e": "done", "k": "cancelled", "l": "done", "t": "done"}
RETRIES = {"a": 1}
FAILING, EVICTED, NEVER_RUN = ("a", "d"), "e", "k"
#: Nodes that take one job and are never heard of again.
VANISHING = {"v1": "c", "v2": "l", "v3": "l", "v4": "l"}


class Informed(Steward):
    """A steward that knows which nodes are gone: it needn't wait for their leases."""

    def __init__(self, spool: Spool, clock: Callable[[], float], gone: set[str]) -> None:
        super().__init__(spool, clock)
        self._known = gone

    def _take_lapsed(self, holders: set[str]) -> set[str]:
        return holders & self._known

    def _has_taken(self, node: str | None) -> bool:
        return node in self._known


class Life:
    """Every call of its processes passes through ``plan``.

    A process that dies is followed by another one: the steward and node n1 by themselves if ``comes_back``,
    else n1 by n3, and the steward learns that n1 is gone.
    """

    def __init__(self, lab: Lab, plan: Plan, comes_back: bool = True, node: str = "n1") -> None:
        self.lab, self._plan, self._comes_back = lab, plan, comes_back
        self.witness = Witness(lab.spool, ["b"])
        self.on_crash: Callable[[], object] = lambda: None
        self._gone: set[str] = set()
        self.node = node
        self._asked = False
        self._kernels: list[FaultyKernel] = []
        self._steward, self._stewards_spool = self._new_steward()
        self._nodes_spool = self._new_spool("node")

    def go_on(self) -> None:
        """Others lived before: all nodes but this one are gone."""
        self._gone |= {*VANISHING, "n1"} - {self.node}

    def submit(self) -> None:
        given = self.lab.scratch / "in.dat"
        given.write_text(INPUT)
        jobs = JOBS | {"c": f"required_files: [{given}]"}
        self.lab.drop("b.yaml", job_file("b", jobs))

    def run(self) -> None:
        """Until the last job has ended and the batch is closed. Raises AssertionError if that never comes."""
        for _ in range(MOST_ROUNDS):
            struck = self._plan.struck
            self._take_turn(self._tend)
            self._ask()
            self._take_turn(self._work)
            over = self._over()
            if over or struck != self._plan.struck:
                self.witness.look()
            if over:
                return
        raise AssertionError(f"never ends: {self._look()}")

    # Processes

    def _new_spool(self, actor: str) -> Spool:
        kernel = FaultyKernel(self._plan, actor)
        self._kernels.append(kernel)
        return self._spool_of(kernel)

    def _spool_of(self, kernel: FaultyKernel) -> Spool:
        return Spool(self.lab.spool.layout, FileOps(self.lab.spool.root, kernel), self.lab.spool.settings)

    def _new_steward(self) -> tuple[Steward, Spool]:
        spool = self._new_spool("steward")
        return Informed(spool, self.lab.clock, self._gone), spool

    def _take_turn(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (OSError, DistributeError):
            # The daemons say so and go on.
            return
        except Crash:
            self.on_crash()
            self._bury()

    def _bury(self) -> None:
        """Whoever died is followed by somebody."""
        for kernel in self._kernels:
            if kernel.dead:
                kernel.abandon()
        if self._stewards_spool.ops.kernel in self._dead():
            self._steward, self._stewards_spool = self._new_steward()
        else:
            if not self._comes_back:
                self._gone.add(self.node)
                self.node = "n3"
            self._nodes_spool = self._new_spool("node")
        self._kernels = [kernel for kernel in self._kernels if not kernel.dead]

    def _dead(self) -> list[FaultyKernel]:
        return [kernel for kernel in self._kernels if kernel.dead]

    # The steward

    def _tend(self) -> None:
        self.lab.clock.now_s += ROUND_S
        self._steward.sweep()

    # A user

    def _ask(self) -> None:
        """Kills ``k`` as soon as it is there, and asks once for another try of what has failed."""
        spool = self.lab.spool
        ref = find_batch(spool, "ns", "b")
        if ref is None:
            return
        failed = read_state(spool, ref.folder, State.FAILED)
        if not ref.finished and NEVER_RUN in {t.job for t in read_state(spool, ref.folder, State.PENDING)}:
            self._put(ref.folder.kill(NEVER_RUN), b"")
        if ref.finished and failed and not self._asked:
            self._asked = True
            for ticket in failed:
                self.witness.publish("b", ticket)
            request = RetryRequest("ns", "b", tuple(map(str, failed)))
            self._put(spool.layout.incoming / "r.retry", encode(request))

    def _put(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        self._plan.calls.append(Call(USER, "put", (path,), data))

    # The nodes

    def _work(self) -> None:
        spool = self._nodes_spool
        self._vanish(spool)
        for ref, ticket in self._mine(spool, State.PUBLISHING):
            publication.finish(spool, ref.folder, ref.namespace, ref.batch, ticket)
        for ref, ticket in self._mine(spool, State.CLAIMED):
            self._deliver(spool, ref, ticket)
        for ref, ticket in self._tickets(spool, State.PENDING):
            if ticket.job != NEVER_RUN and not self._vanishing(ticket.job):
                claims.claim(spool, ref.folder, ticket, self.node)

    def _vanish(self, spool: Spool) -> None:
        for ref, ticket in self._tickets(spool, State.PENDING):
            node = self._vanishing(ticket.job)
            if node:
                self._gone.add(node)
                claims.claim(spool, ref.folder, ticket, node)

    def _vanishing(self, job: str) -> str:
        return next((n for n, taken in VANISHING.items() if taken == job and n not in self._gone), "")

    def _deliver(self, spool: Spool, ref: BatchRef, ticket: Ticket) -> None:
        if ticket.job == EVICTED and ticket.attempt == 1:
            self._evict(spool, ref, ticket)
            return
        errors = publication.count_errors(spool, ref.namespace, ref.batch, ticket)
        outcome = Outcome.FAILED if ticket.job in FAILING and not errors else Outcome.DONE
        publication.stage(spool, self.lab.result(ref, ticket, outcome))
        spool.ops.flush()
        if outcome is Outcome.FAILED and errors < RETRIES.get(ticket.job, 0):
            publication.keep_attempt(spool, ref.namespace, ref.batch, ticket)
            claims.back_off(spool, ref.folder, ticket)
        elif publication.publish(spool, ref.folder, ticket):
            publication.finish(spool, ref.folder, ref.namespace, ref.batch, ticket)
        else:
            publication.discard(spool, ref.namespace, ref.batch, ticket)

    def _evict(self, spool: Spool, ref: BatchRef, ticket: Ticket) -> None:
        publication.stage(spool, self.lab.result(ref, ticket, Outcome.FAILED))
        spool.ops.flush()
        saves.keep_save(spool, ref.namespace, ref.batch, ticket)
        claims.give_back(spool, ref.folder, ticket)

    def _mine(self, spool: Spool, state: State) -> list[tuple[BatchRef, Ticket]]:
        return [one for one in self._tickets(spool, state) if one[1].node == self.node]

    # Looking

    def _tickets(self, spool: Spool, state: State) -> list[tuple[BatchRef, Ticket]]:
        return [(ref, t) for ref in list_batches(spool) for t in read_state(spool, ref.folder, state)]

    def _look(self) -> dict[str, list[str]]:
        ref = find_batch(self.lab.spool, "ns", "b")
        return self.lab.tickets(ref) if ref else {}

    def _over(self) -> bool:
        ref = find_batch(self.lab.spool, "ns", "b")
        if ref is None or not ref.finished or self.lab.incoming():
            return False
        return set(self._look()) == set(ENDS.values())


def archived(lab: Lab) -> Path:
    return lab.spool.layout.archived_batch("ns", "b")

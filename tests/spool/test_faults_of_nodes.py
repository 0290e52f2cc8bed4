"""Every call that a node makes on the spool, with everything that may become of it.

A life in which the node consists of what a daemon does: it inherits what an earlier one left, claims, and
uploads. Only that no job runs: its exit record and what it saved are written at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from nodewatch.capacity import Capacity, Grant
from nodewatch.inheritance import Inheritance
from nodewatch.process import ExitRecord
from nodewatch.process.runner import layout
from nodewatch.queue import Claimed
from nodewatch.scratch import Scratch
from nodewatch.uploading import Upload, Uploader
from spoold import claims
from spoold.publication import count_errors
from spoold.snapshot import BatchRef, list_batches, read_header, read_jobs
from spoold.spool import Spool
from spoold.tickets import State, Ticket
from tests.spool.faulty import KILLED_AFTER, Fault, Plan
from tests.spool.lab import Lab
from tests.spool.life import FAILING, NEVER_RUN, Life
from tests.spool.living import Make, live_through, points, record

pytestmark = pytest.mark.usefixtures("hurry")


class NodeLife(Life):
    """A life with a real node."""

    def __init__(self, lab: Lab, plan: Plan, comes_back: bool = True) -> None:
        super().__init__(lab, plan, comes_back)
        self._daemon: Daemon | None = None

    def _work(self) -> None:
        spool = self._nodes_spool
        self._vanish(spool)
        if self._daemon is None or self._daemon.spool is not spool:
            self._daemon = Daemon(self.lab, spool, self._node)
        self._daemon.upload_again()
        for ref, ticket in self._tickets(spool, State.PENDING):
            if ticket.job != NEVER_RUN and not self._vanishing(ticket.job):
                self._daemon.take(ref, ticket)


class Daemon:
    """From one start to its end; ``spool`` is how it sees the spool."""

    def __init__(self, lab: Lab, spool: Spool, node: str) -> None:
        self._lab, self.spool, self._node = lab, spool, node
        self._scratch = Scratch(lab.scratch / node, 0)
        self._scratch.make()
        self._uploader = Uploader(spool, node, lambda: None)
        self._left: list[Upload] = []
        inheritance = Inheritance(spool, node, self._scratch, Capacity(1, 1 << 30), self._left.append)
        for resumed in inheritance.take({ref.key: ref for ref in list_batches(spool)}):
            self._run(resumed.claimed)

    def upload_again(self) -> None:
        if self._left:
            self._left = self._uploader._upload(self._left, again=True)

    def take(self, ref: BatchRef, ticket: Ticket) -> None:
        if self._scratch.holds(ref.namespace, ref.batch, ticket.job):
            return
        header, jobs = read_header(self.spool, ref.folder), read_jobs(self.spool, ref.folder)
        if header is None or jobs is None:
            return
        mine = claims.claim(self.spool, ref.folder, ticket, self._node)
        if mine:
            spec = next(job for job in jobs.jobs if job.name == ticket.job)
            self._run(Claimed(ref, header, spec, mine, Grant((0,))))

    def _run(self, claimed: Claimed) -> None:
        ref, ticket = claimed.ref, claimed.ticket
        folder = self._scratch.attempt(ref.namespace, ref.batch, ticket)
        errors = count_errors(self._lab.spool, ref.namespace, ref.batch, ticket)
        code = 1 if ticket.job in FAILING and not errors else 0
        folder.complete()
        folder.save.mkdir(exist_ok=True)
        (folder.save / "out.txt").write_text(str(ticket))
        ended = ExitRecord(code, None, 1.0, 2.0, 1.0, 0.0, 0.0, 1, 0, None, None)
        record = json.dumps(asdict(ended)).encode()
        (folder.path / layout.EXIT).write_bytes(bytes(layout.STARTED_BYTES) + record)
        self._left += self._uploader._upload([Upload(claimed, folder, ended)], again=False)


def of_node(make: Make) -> Iterator[tuple[int, Fault]]:
    calls = points(record(make, NodeLife))
    return ((number, fault) for number, call, fault in calls if call.actor == "node")


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_node_is_killed(make: Make, comes_back: bool) -> None:
    for number, fault in of_node(make):
        if fault is KILLED_AFTER:
            live_through(make, number, fault, comes_back, NodeLife)


def test_a_call_of_the_node_fails(make: Make) -> None:
    for number, fault in of_node(make):
        if fault is not KILLED_AFTER:
            live_through(make, number, fault, kind=NodeLife)

"""A life in which the node consists of what a daemon does, but for its processes.

It says what it is, inherits what an earlier one left, builds, claims, copies live output, uploads, takes over what
was given back, and gives hints. No job runs: its exit record and what it saved are written at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import AttemptFolder
from nodewatch.building import BuildRun, publish_build
from nodewatch.capacity import Capacity, Grant
from nodewatch.inheritance import Inheritance
from nodewatch.outcomes import Setback, nothing_ran
from nodewatch.presence import make_node_folder, publish_node
from nodewatch.process import ExitRecord, Started
from nodewatch.process.runner import layout
from nodewatch.process.runner.procfs import read_boot_id
from nodewatch.queue import Claimed
from nodewatch.scratch import Scratch
from nodewatch.uploading import Upload, Uploader
from spoold import claims
from spoold.fsops import SpoolFull
from spoold.layout import NodeFolder
from spoold.losses import LossCause
from spoold.node_records import NodeInfo
from spoold.publication import count_errors
from spoold.snapshot import BatchRef, list_batches, read_header, read_jobs
from spoold.spool import Spool
from spoold.tickets import State, Ticket
from tests.spool.faulty import LOCAL, RIVAL, Call, FaultyKernel, Plan
from tests.spool.lab import Lab
from tests.spool.life import FAILING, NEVER_RUN, Life

#: A job that is given back while it runs: its node was thought dead, and takes the next attempt.
TAKEN_OVER = "t"


class NodeLife(Life):
    """A life with a real node; ``ran`` are the attempts that ran in it, by ticket."""

    def __init__(self, lab: Lab, plan: Plan, comes_back: bool = True, node: str = "n1") -> None:
        super().__init__(lab, plan, comes_back, node)
        self.ran: list[str] = []
        self._daemon: Daemon | None = None

    def _work(self) -> None:
        spool = self._nodes_spool
        self._vanish(spool)
        if self._daemon is None or self._daemon.spool is not spool:
            self._daemon = None
            self._daemon = Daemon(self, spool, self.node)
        self._daemon.upload_again()
        for ref, ticket in self._tickets(spool, State.PENDING):
            if ticket.job != NEVER_RUN and not self._vanishing(ticket.job):
                self._daemon.take(ref, ticket)
        self._daemon.settle()

    def note_run(self, ref: BatchRef, ticket: Ticket, folder: AttemptFolder) -> None:
        """It has ended well or badly; somebody may have thought its node dead meanwhile."""
        self.ran.append(str(ticket))
        self._plan.calls.append(Call(LOCAL, "made", (folder.path,)))
        if ticket.job == TAKEN_OVER and ticket.attempt == 1:
            kernel = FaultyKernel(self._plan, RIVAL)
            claims.give_back(self._spool_of(kernel), ref.folder, ticket)


class Daemon:
    """From one start to its end; ``spool`` is how it sees the spool."""

    def __init__(self, life: NodeLife, spool: Spool, node: str) -> None:
        self._life, self.spool, self._node = life, spool, node
        self._scratch = Scratch(life.lab.scratch / node, 0)
        self._scratch.make(spool.root)
        make_node_folder(spool, node)
        publish_node(spool, NodeInfo(node, "host", 1, 1, 1 << 30, (), str(self._scratch.path), "0", 1.0))
        self._uploader = Uploader(spool, node, lambda: None)
        self._left: list[Upload] = []
        inheritance = Inheritance(spool, node, self._scratch, Capacity(1, 1 << 30), self._left.append)
        for resumed in inheritance.take({ref.key: ref for ref in list_batches(spool)}):
            self._run(resumed.claimed)

    def upload_again(self) -> None:
        if self._left:
            self._left = self._uploader._upload(self._left, again=True)

    def settle(self) -> None:
        """Nothing more comes; the steward is told, and everybody that there is space."""
        self._uploader._settle()
        self.spool.ops.refresh(self.spool.layout.incoming)
        with suppress(FileExistsError):
            self.spool.ops.create(self._folder.trouble)
        self.spool.ops.unlink(self._folder.trouble)

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
        errors = count_errors(self._life.lab.spool, ref.namespace, ref.batch, ticket)
        ended = exit_record(1 if ticket.job in FAILING and not errors else 0)
        folder.complete()
        try:
            self._build(claimed, folder)
        except (OSError, DistributeError) as reason:
            lost = Setback(str(reason), LossCause.RETURNED)
            self._deliver(Upload(claimed, folder, nothing_ran(lost.reason, 1.0), lost))
            return
        self._copy_output(claimed)
        folder.save.mkdir(exist_ok=True)
        (folder.save / "out.txt").write_text(str(ticket))
        started = Started(1, 1, read_boot_id(), 1.0, 0.0)
        page = json.dumps(asdict(started)).encode().ljust(layout.STARTED_BYTES)
        for name in (layout.STARTED, layout.EXIT):
            (folder.path / name).write_bytes(page + json.dumps(asdict(ended)).encode())
        self._life.note_run(ref, ticket, folder)
        self._deliver(Upload(claimed, folder, ended))

    def _deliver(self, upload: Upload) -> None:
        self._left += self._uploader._upload([upload], again=False)

    def _build(self, claimed: Claimed, folder: AttemptFolder) -> None:
        """Once in a batch, before its first job here."""
        ready = self._scratch.cache / "ready"
        if ready.exists():
            return
        build = BuildRun(folder.build)
        build.path.mkdir(exist_ok=True)
        build.output.write_text("built\n")
        publish_build(self.spool, claimed.ref, claimed.header, self._node, build, exit_record(0))
        ready.touch()

    @property
    def _folder(self) -> NodeFolder:
        return self.spool.layout.node(self._node)

    def _copy_output(self, claimed: Claimed) -> None:
        ref = claimed.ref
        log = self._folder.log(ref.namespace, ref.batch, claimed.ticket, "stdout")
        # The run goes on, whatever comes of that.
        with suppress(OSError, SpoolFull):
            self.spool.ops.make_folder(log.parent)
            self.spool.ops.unlink(log)
            for piece in (b"begun\n", b"ended\n"):
                self.spool.ops.append(log, piece)
            self.spool.ops.unlink(log)


def exit_record(code: int) -> ExitRecord:
    return ExitRecord(code, None, 1.0, 2.0, 1.0, 0.0, 0.0, 1, 0, None, None)

"""A spool in a temporary folder, a disk that can fail or stop at any operation, and actors to work on it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spoold.calls import Kernel
from spoold.claims import claim
from spoold.fsops import FileOps
from spoold.layout import BatchFolder
from spoold.publication import Result, finish, publish, stage
from spoold.records import JobRecord, Outcome
from spoold.snapshot import BatchRef, list_batches, read_state
from spoold.spool import Settings, Spool, init_spool, open_spool
from spoold.steward import Steward
from spoold.tickets import State, Ticket

NOBODY = 65534
TEXT = """\
meta: {batch_name: %s, namespace: ns%s}
command:
  jobs:
%s
"""


class Crash(BaseException):
    """The process is killed here: no handler of the code under test may stop it."""


@dataclass
class Clock:
    """Monotonic seconds that pass only when told."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


Hook = Callable[[str, int, str, tuple[Path, ...]], None]


class Disk(FileOps):
    """Real operations; ``hook(when, number, operation, paths)`` is called before and after each one.

    After a Crash no further operation is done, not even by a ``finally``. ``flush`` costs nothing here.
    """

    def __init__(self, root: Path, hook: Hook | None = None, kernel: Kernel | None = None) -> None:
        super().__init__(root, kernel)
        self.count = 0
        self.hook = hook
        self.dead = False

    @contextmanager
    def step(self, operation: str, *paths: Path) -> Iterator[None]:
        self.count += 1
        number = self.count
        self._tell("before", number, operation, paths)
        try:
            yield
        except OSError:
            self._tell("after", number, operation, paths)
            raise
        self._tell("after", number, operation, paths)

    def flush(self) -> None:
        with self.step("flush", self.root):
            return

    def _tell(self, when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if self.dead:
            raise Crash
        if self.hook is None:
            return
        try:
            self.hook(when, number, operation, paths)
        except Crash:
            self.dead = True
            raise


def crash_at(when: str, number: int) -> Hook:
    """A hook that kills the process before or after its operation ``number``."""

    def hook(at: str, count: int, operation: str, paths: tuple[Path, ...]) -> None:
        if (at, count) == (when, number):
            raise Crash

    return hook


def once(do: Callable[[], object], number: int, when: str = "before") -> Hook:
    """A hook that lets somebody else act at operation ``number``: one interleaving, exactly."""

    def hook(at: str, count: int, operation: str, paths: tuple[Path, ...]) -> None:
        if (at, count) == (when, number):
            do()

    return hook


@dataclass
class Lab:
    """A spool and those who work on it, each with a disk of its own."""

    spool: Spool
    scratch: Path
    clock: Clock = field(default_factory=Clock)

    def reopen(self, hook: Hook | None = None) -> Spool:
        """The same spool for another actor."""
        return Spool(self.spool.layout, Disk(self.spool.root, hook), self.spool.settings)

    def steward(self, hook: Hook | None = None) -> Steward:
        return Steward(self.reopen(hook), self.clock)

    def sweep(self, steward: Steward | None = None, times: int = 2) -> Steward:
        """Sweep, with more than ``settle_s`` between two sweeps."""
        steward = steward or self.steward()
        for _ in range(times):
            steward.sweep()
            self.clock.now_s += self.spool.settings.settle_s + 0.5
        return steward

    def drop(self, name: str, text: str, uid: int | None = None) -> Path:
        path = self.spool.layout.incoming / name
        path.write_text(text)
        if uid is not None:
            os.chown(path, uid, uid)
        return path

    def submit(self, batch: str, jobs: dict[str, str], uid: int | None = None) -> BatchRef:
        """Drop a batch of command jobs and have it admitted; ``jobs`` has more of each job's YAML."""
        self.drop(f"{batch}.yaml", job_file(batch, jobs), uid)
        self.sweep()
        return self.ref(batch)

    def ref(self, batch: str) -> BatchRef:
        found = [r for f in (False, True) for r in list_batches(self.spool, f) if r.batch == batch]
        assert len(found) == 1, (batch, found, self.rejected())
        return found[0]

    def tickets(self, ref: BatchRef) -> dict[str, list[str]]:
        """Every ticket, by state; states without any are left out."""
        seen = {s.value: [str(t) for t in read_state(self.spool, ref.folder, s)] for s in State}
        return {state: tickets for state, tickets in seen.items() if tickets}

    def rejected(self) -> dict[str, str]:
        """The reasons by the name of the rejected drop."""
        ending = ".reason.txt"
        return {
            p.name.removesuffix(ending): p.read_text()
            for p in self.spool.layout.rejected.iterdir()
            if p.name.endswith(ending)
        }

    def private(self) -> list[str]:
        return sorted(os.listdir(self.spool.layout.tmp))

    def incoming(self) -> list[str]:
        return sorted(os.listdir(self.spool.layout.incoming))

    # A node's part

    def claim(self, ref: BatchRef, job: str, node: str = "n1") -> Ticket:
        pending = next(t for t in read_state(self.spool, ref.folder, State.PENDING) if t.job == job)
        mine = claim(self.spool, ref.folder, pending, node)
        assert mine is not None
        return mine

    def result(
        self,
        ref: BatchRef,
        ticket: Ticket,
        outcome: Outcome = Outcome.DONE,
        files: dict[str, str] | None = None,
    ) -> Result:
        """What an attempt left on its node's disk."""
        folder = self.scratch / ref.namespace / ref.batch / str(ticket)
        saved = folder / "distribute_save"
        saved.mkdir(parents=True, exist_ok=True)
        for name, text in (files or {"out.txt": str(ticket)}).items():
            (saved / name).parent.mkdir(parents=True, exist_ok=True)
            (saved / name).write_text(text)
        (folder / "stdout").write_text(f"stdout of {ticket}\n")
        (folder / "stderr").write_text("")
        record = make_record(ref.namespace, ref.batch, ticket, outcome)
        return Result(record, ticket, folder / "stdout", folder / "stderr", saved)

    def complete(self, ref: BatchRef, job: str, outcome: Outcome = Outcome.DONE, node: str = "n1") -> Ticket:
        """Claim, run, stage, publish and finish a job."""
        ticket = self.claim(ref, job, node)
        stage(self.spool, self.result(ref, ticket, outcome))
        assert publish(self.spool, ref.folder, ticket)
        finish(self.spool, ref.folder, ref.namespace, ref.batch, ticket)
        return ticket


def make_record(namespace: str, batch: str, ticket: Ticket, outcome: Outcome = Outcome.DONE) -> JobRecord:
    node = ticket.node or ""
    return JobRecord(namespace, batch, ticket.job, ticket.attempt, node, outcome, "", 1.0, 2.0, 1.0)


def make_lab(folder: Path, settings: Settings | None = None) -> Lab:
    """A new spool below ``folder``."""
    root, scratch = folder / "spool", folder / "scratch"
    scratch.mkdir(parents=True)
    init_spool(root, settings or Settings())
    return Lab(open_spool(root, Disk(root)), scratch)


def as_user(uid: int, act: Callable[[], object]) -> None:
    """Do it in a child process that is this user; a failure there is one here."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            act()
            code = 0
        except BaseException:  # noqa: BLE001 - it is told to the parent, whatever it is
            os.write(write_end, traceback.format_exc().encode()[-60_000:])
        os._exit(code)
    os.close(write_end)
    with open(read_end, encoding="utf-8") as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, text or f"ended with status {status}"


def job_file(batch: str, jobs: dict[str, str], meta: str = "") -> str:
    """A command batch in ``ns``; ``jobs`` maps a job's name to more of its YAML, on one line."""
    lines = [f"    - {{name: {job}, command: 'true'{more and ', ' + more}}}" for job, more in jobs.items()]
    return TEXT % (batch, f", {meta}" if meta else "", "\n".join(lines))


def folder_of(spool: Spool, batch: str) -> BatchFolder:
    return spool.layout.batch("ns", batch)


def tree(root: Path) -> dict[str, bytes]:
    """Every file below ``root`` with its content."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}

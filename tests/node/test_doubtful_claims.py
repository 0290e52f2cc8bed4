"""A claim that was done although its answer got lost: the job is this node's, so it must know that."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nodewatch.attempts import AttemptFolder
from nodewatch.capacity import Capacity
from nodewatch.ledger import Ledger
from nodewatch.quarantine import Quarantines
from nodewatch.queue import Queue
from nodewatch.scratch import Scratch
from nodewatch.takeover import take_over
from spoold.calls import Kernel
from spoold.claims import give_back
from spoold.snapshot import BatchRef
from spoold.spool import Spool, open_spool
from spoold.tickets import Ticket
from tests.spool.lab import Disk, Lab, make_lab


class Cut(Kernel):
    """The server does one more claim, and isn't heard of again until ``mend``."""

    def __init__(self) -> None:
        self.cut = False
        self._done = False

    def rename(self, source: Path, target: Path) -> None:
        if not self._done and target.parent.name == "claimed":
            super().rename(source, target)
            self.cut = self._done = True
        self._fail()
        super().rename(source, target)

    def listdir(self, folder: Path) -> list[str]:
        self._fail()
        return super().listdir(folder)

    def _fail(self) -> None:
        if self.cut:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path)


@pytest.fixture
def kernel() -> Cut:
    return Cut()


@pytest.fixture
def spool(lab: Lab, kernel: Cut) -> Spool:
    return open_spool(lab.spool.root, Disk(lab.spool.root, kernel=kernel))


@pytest.fixture
def ref(lab: Lab) -> BatchRef:
    return lab.submit("b", {"a": ""})


def test_a_claim(lab: Lab, ref: BatchRef, kernel: Cut, spool: Spool) -> None:
    scratch = Scratch(lab.scratch, 0)
    scratch.make(spool.root)
    ledger = Ledger(Capacity(1, 1 << 30))
    queue = Queue(spool, scratch, "n1", frozenset(), Quarantines(()), ledger)
    with pytest.raises(OSError, match="Input/output"):
        queue.take()
    assert lab.tickets(ref) == {"claimed": ["a~1@n1"]}
    kernel.cut = False
    claimed = queue.take()
    assert claimed
    assert claimed.ticket == Ticket("a", 1, "n1")
    ledger.release(claimed.key)
    assert queue.take() is None


def test_a_claim_of_a_batch_that_has_ended_since(lab: Lab, ref: BatchRef, kernel: Cut, spool: Spool) -> None:
    """The node's lease lapsed meanwhile, and another node did the job."""
    scratch, now_s = Scratch(lab.scratch, 0), [0.0]
    scratch.make(spool.root)
    queue = Queue(
        spool, scratch, "n1", frozenset(), Quarantines(()), Ledger(Capacity(1, 1)), lambda: now_s[0]
    )
    now_s[0] = 100.0
    with pytest.raises(OSError, match="Input/output"):
        queue.take()
    kernel.cut = False
    ref.folder.path.rename(lab.spool.layout.finished / "b")
    lab.submit("c", {"a": ""})
    now_s[0] = 200.0
    assert queue.look()
    claimed = queue.take()
    assert claimed
    assert claimed.ref.batch == "c"


def test_a_take_over(lab: Lab, ref: BatchRef, kernel: Cut, spool: Spool) -> None:
    ticket = lab.claim(ref, "a", "n1")
    assert give_back(lab.spool, ref.folder, ticket)
    folder = AttemptFolder(lab.scratch / "a~1")
    folder.make()
    with pytest.raises(OSError, match="Input/output"):
        take_over(spool, ref, ticket, "n1", folder)
    assert lab.tickets(ref) == {"claimed": ["a~2@n1"]}
    kernel.cut = False
    assert take_over(spool, ref, ticket, "n1", folder) == Ticket("a", 2, "n1")
    assert folder.attempt_name == "a~2"


def test_a_torn_note_of_a_take_over(tmp_path: Path) -> None:
    """After a power failure: the folder counts as what it was first, and the node starts."""
    folder = AttemptFolder(tmp_path / "a~1")
    folder.make()
    folder.become(Ticket("a", 2))
    (folder.path / "attempt").write_text("")
    assert folder.attempt_name == "a~1"

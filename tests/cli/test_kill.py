"""`distribute kill`."""

from __future__ import annotations

import os
import stat

import pytest

from spoold.snapshot import BatchRef, find_batch, kill_reason, read_kills, read_tickets
from spoold.spool import Spool
from spoold.tickets import State
from tests.cli.conftest import Run, SpoolBuilder
from tests.cli.daemons import steward
from tests.support import umask, wait_until

TICKETS = {State.PENDING: ["b~1", "c~1"], State.CLAIMED: ["a~1@alpha"], State.DONE: ["d~1@beta"]}


def test_a_batch_with_a_reason(run: Run, builder: SpoolBuilder) -> None:
    folder = builder.batch("anna/one", TICKETS)
    said = run("kill", "anna/one", "--reason", "wrong\nmesh").stdout
    assert said == "cancelling anna/one: 3 jobs (2 waiting, 1 on alpha)\n"
    assert read_kills(builder.spool, folder, os.getuid()).batch
    assert kill_reason(builder.spool, folder, "b") == "wrong mesh"


def test_a_private_umask_hides_the_reason_from_nobody(run: Run, builder: SpoolBuilder) -> None:
    folder = builder.batch("anna/one", TICKETS)
    with umask(0o077):
        run("kill", "anna/one", "--reason", "wrong mesh")
    assert stat.S_IMODE(folder.kill().stat().st_mode) == 0o644


def test_one_job_only(run: Run, builder: SpoolBuilder) -> None:
    folder = builder.batch("anna/one", TICKETS)
    assert run("kill", "anna/one/b").stdout == "cancelling anna/one/b: 1 job (1 waiting)\n"
    kills = read_kills(builder.spool, folder, os.getuid())
    assert not kills.batch
    assert kills.jobs == {"b"}


def test_the_steward_acts_on_it(run: Run, builder: SpoolBuilder) -> None:
    builder.batch("anna/one", {State.PENDING: ["b~1"], State.HELD: ["c~1"]})
    run("kill", "anna/one")
    with steward(builder.spool):
        ref = wait_until(lambda: _finished(builder.spool), what="the end of the batch")
    assert ref is not None
    assert read_tickets(builder.spool, ref.folder).counts()[State.CANCELLED] == 2


def _finished(spool: Spool) -> BatchRef | None:
    ref = find_batch(spool, "anna", "one")
    return ref if ref and ref.finished else None


def test_twice_is_said(run: Run, builder: SpoolBuilder) -> None:
    folder = builder.batch("anna/one", TICKETS)
    run("kill", "anna/one", "--reason", "first")
    assert run("kill", "anna/one", "--reason", "second").stdout == "anna/one is being cancelled already\n"
    assert folder.kill().read_text() == "first\n"


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("anna/ome", 4, "did you mean anna/one"),
        ("anna/one/bb", 4, "did you mean b?"),
        ("anna/one/zzz", 4, "see its jobs with: distribute status anna/one"),
        ("anna/one/d", 1, "anna/one/d has ended: it is done"),
        ("anna/old", 1, "anna/old has ended: there is nothing to cancel"),
        ("anna", 2, "isn't of the form NAMESPACE/BATCH[/JOB]"),
    ],
)
def test_what_can_not_be_cancelled(
    run: Run, builder: SpoolBuilder, target: str, code: int, said: str
) -> None:
    folder = builder.batch("anna/one", TICKETS)
    builder.batch("anna/old", {State.DONE: ["a~1@alpha"]}, finished=True)
    assert said in run("kill", target, code=code).stderr
    assert not [name for name in os.listdir(folder.path) if name.startswith("kill")]


def test_somebody_else_s_batch(run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steward would ignore the mark: it is refused with a reason instead."""
    folder = builder.batch("anna/one", TICKETS, submitter_uid=12345)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    error = run("kill", "anna/one", code=1).stderr
    assert "anna/one belongs to anna" in error
    assert "and you are 54321" in error
    assert "root and root" not in error
    assert not folder.kill().exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_mark_of_somebody_else_is_in_the_way(run: Run, builder: SpoolBuilder) -> None:
    folder = builder.batch("anna/one", TICKETS, submitter_uid=12345)
    folder.kill().touch()
    os.chown(folder.kill(), 1, -1)
    error = run("kill", "anna/one", code=1).stderr
    assert "is in the way: daemon made it" in error
    with steward(builder.spool):
        assert run("kill", "anna/one").stdout == "cancelling anna/one: 3 jobs (2 waiting, 1 on alpha)\n"


@pytest.mark.parametrize("target", ["anna/one", "anna/one/b"])
def test_a_batch_that_ends_meanwhile(
    run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    folder = builder.batch("anna/one", TICKETS)

    def close(spool: Spool, header: object, deed: str) -> None:
        spool.ops.move_in(folder.path, spool.layout.finished_batch("anna", "one").path)

    # Between the look and the mark, as the steward would.
    monkeypatch.setattr("distribute_cli.permissions.require_submitter", close)
    assert "anna/one has just ended" in run("kill", target, code=1).stderr
    assert not folder.path.exists()

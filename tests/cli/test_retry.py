"""`distribute retry`, carried out by a real steward."""

from __future__ import annotations

import os
import stat

import pytest

from distribute_cli import following
from spoold.records import JobSpec
from spoold.snapshot import find_batch, read_tickets
from spoold.spool import Spool
from spoold.tickets import State
from tests.cli.conftest import Run, SpoolBuilder
from tests.cli.daemons import steward
from tests.support import umask, wait_until

TICKETS = {
    State.DONE: ["a~1@alpha"],
    State.FAILED: ["b~2@alpha", "c~1@beta"],
    State.CANCELLED: ["d~1"],
}


def states(spool: Spool) -> dict[str, str]:
    ref = find_batch(spool, "anna", "one")
    assert ref is not None
    return {str(ticket): state.value for state, ticket in read_tickets(spool, ref.folder).latest().values()}


def test_all_that_ended_badly(run: Run, builder: SpoolBuilder) -> None:
    builder.batch("anna/one", TICKETS, finished=True)
    with steward(builder.spool):
        result = run("retry", "anna/one")
        wait_until(lambda: "done" in states(builder.spool).values())
    assert result.stdout == "running 3 jobs of anna/one again: b, c and d\n"
    assert states(builder.spool) == {
        "a~1@alpha": "done", "b~3": "pending", "c~2": "pending", "d~2": "pending",
    }  # fmt: skip


def test_only_what_failed(run: Run, builder: SpoolBuilder) -> None:
    builder.batch("anna/one", TICKETS, finished=True)
    with steward(builder.spool):
        run("retry", "anna/one", "--failed")
    assert states(builder.spool)["d~1"] == "cancelled"
    assert states(builder.spool)["b~3"] == "pending"


def test_only_the_jobs_that_are_named(run: Run, builder: SpoolBuilder) -> None:
    builder.batch("anna/one", TICKETS, finished=True)
    with steward(builder.spool):
        run("retry", "anna/one", "--job", "d", "--job", "b")
    assert {name for name, state in states(builder.spool).items() if state == "pending"} == {"b~3", "d~2"}


def test_dependants_wait_again(run: Run, builder: SpoolBuilder) -> None:
    specs = {"d": JobSpec("d", command="true", depends=("b",))}
    builder.batch("anna/one", TICKETS, finished=True, specs=specs)
    with steward(builder.spool):
        error = run("retry", "anna/one", "--job", "d", code=1).stderr
        assert "d can't run again alone: it depends on b, which didn't end well\n  add: --job b" in error
        run("retry", "anna/one")
    assert states(builder.spool)["d~2"] == "held"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["anna/ome"], 4, "did you mean anna/one"),
        (["anna/one", "--job", "a"], 1, "anna/one: a is done: only what failed or was cancelled runs again"),
        (["anna/one", "--job", "d", "--failed"], 1, "d is cancelled"),
        (["anna/one", "--job", "x"], 4, "there is no job x"),
        (["anna/good"], 1, "there is nothing to retry in anna/good: no job has failed or was cancelled"),
        (["anna/good", "--failed"], 1, "no job has failed\n"),
    ],
)
def test_what_can_not_run_again(
    run: Run, builder: SpoolBuilder, arguments: list[str], code: int, said: str
) -> None:
    builder.batch("anna/one", TICKETS, finished=True)
    builder.batch("anna/good", {State.DONE: ["a~1@alpha"]}, finished=True)
    assert said in run("retry", *arguments, code=code).stderr
    assert os.listdir(builder.spool.layout.incoming) == []


def test_somebody_else_s_batch(run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.batch("anna/one", TICKETS, finished=True, submitter_uid=12345)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert "may retry it, and you are 54321" in run("retry", "anna/one", code=1).stderr


def test_without_a_daemon_it_waits_in_the_drop_box(
    run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.batch("anna/one", TICKETS, finished=True)
    monkeypatch.setattr(following, "PATIENCE_S", 0.2)
    assert "no daemon runs that would take it" in run("retry", "anna/one").stderr
    assert len(os.listdir(builder.spool.layout.incoming)) == 1
    with steward(builder.spool):
        wait_until(lambda: not os.listdir(builder.spool.layout.incoming))
    assert states(builder.spool)["b~3"] == "pending"


def test_a_private_umask_hides_the_request_from_nobody(
    run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.batch("anna/one", TICKETS, finished=True)
    monkeypatch.setattr(following, "PATIENCE_S", 0.2)
    with umask(0o077):
        run("retry", "anna/one")
    (request,) = builder.spool.layout.incoming.iterdir()
    assert stat.S_IMODE(request.stat().st_mode) == 0o644

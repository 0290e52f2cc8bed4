"""`distribute drain`."""

from __future__ import annotations

from spoold.node_records import RunningJob
from tests.cli.conftest import Run, SpoolBuilder


def test_and_undo(run: Run, builder: SpoolBuilder) -> None:
    builder.node("beta", jobs=(RunningJob("anna", "one", "a", 1, "running", 0.0),))
    mark = builder.spool.layout.node("beta").drain
    assert run("drain", "beta").stdout.splitlines() == [
        "beta takes no more jobs; 1 job still there",
        "undo it with: distribute drain beta --undo",
    ]
    assert mark.exists()
    assert run("drain", "beta").stdout == "beta is drained already\n"
    assert run("drain", "beta", "--undo").stdout == "beta takes jobs again\n"
    assert not mark.exists()
    assert run("drain", "beta", "--undo").stdout == "beta wasn't drained\n"


def test_a_node_that_is_not_there(run: Run, builder: SpoolBuilder) -> None:
    builder.node("beta")
    error = run("drain", "bata", code=4).stderr
    assert "there is no node bata" in error
    assert "did you mean beta?" in error
    assert not builder.spool.layout.node("bata").path.exists()

"""A batch is built once a node; where it can't be, another node does it, and at last it fails with the reason."""

from __future__ import annotations

from spoold.tickets import State
from tests.lab import Lab


def test_a_build_failure_keeps_the_node_away(lab: Lab) -> None:
    """alpha fails to build and is excluded, beta does the jobs; then both fail, and so do the jobs."""
    lab.spool.layout.node("beta").path.mkdir(parents=True)
    lab.spool.layout.node("beta").drain.touch()
    alpha = lab.node("alpha", "--capability", "slow")
    beta = lab.node("beta", "--capability", "fast")
    key = lab.batch(
        "picky",
        {"a": "cat proof", "b": "cat proof"},
        build="case $PWD in */beta/*) echo fine > proof;; *) echo no such compiler; exit 7;; esac",
    )
    lab.wait(lambda: lab.tickets(key).get(State.PENDING) == ["a~2", "b~1"], 20, "alpha gave it back")
    reason = lab.build_record(key, "alpha", ok=False).reason
    assert reason == "exit code 7; its last lines: no such compiler"
    assert lab.status("beta").draining
    lab.spool.layout.node("beta").drain.unlink()
    tickets = lab.wait_finished(key)
    assert all(ticket.endswith("@beta") for ticket in tickets[State.DONE])
    assert lab.text(key, "a", "stdout.txt") == "fine\n"
    archive = lab.spool.layout.archived_batch("lab", "picky")
    assert (archive / "picky_build_output-alpha.txt").read_text() == "no such compiler\n"

    key = lab.batch("hopeless", {"a": "true", "b": "true"}, build="kill -9 $$")
    tickets = lab.wait_finished(key)
    assert {ticket.partition("~")[0] for ticket in tickets[State.FAILED]} == {"a", "b"}
    assert not any("@" in ticket for ticket in tickets[State.FAILED])
    for node in ("alpha", "beta"):
        assert "SIGKILL" in lab.build_record(key, node, ok=False).reason

    # Only beta is capable, and it fails: nobody else counts.
    key = lab.batch("hopeless-too", {"a": "true"}, build="false", capabilities=["fast"])
    assert lab.wait_finished(key) == {State.FAILED: ["a~2"]}
    assert not lab.place(key).build_mark("alpha", ok=False).exists()

    # Nobody has it: it waits, and the others are served meanwhile.
    waiting = lab.batch("nobodys", {"a": "true"}, capabilities=["abacus"])
    key = lab.batch("anybodys", {"a": "true"})
    lab.wait_finished(key)
    assert lab.tickets(waiting) == {State.PENDING: ["a~1"]}
    assert alpha.process.poll() is beta.process.poll() is None

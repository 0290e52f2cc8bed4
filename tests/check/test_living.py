"""A spool in use: daemons claim, fail, keep, give back, publish and close while it is checked."""

from __future__ import annotations

from pathlib import Path

from spoold.checking import Finding, Severity, check
from spoold.checking.verification import find_results, verify
from spoold.tickets import State
from tests.lab import Lab

JOBS = 40


def test_a_living_lab_gives_no_finding(tmp_path: Path) -> None:
    with Lab(tmp_path) as lab:
        lab.steward()
        # Somebody died before its chmod: the node mends it.
        lab.spool.layout.node("n1").path.mkdir()
        for name in ("n1", "n2", "n3"):
            lab.node(name, "--no-steward")
        jobs = {f"j{n}": {"command": "echo x > distribute_save/x"} for n in range(JOBS)}
        jobs |= {f"r{n}": {"command": "exit 3", "retries": 1} for n in range(5)}
        jobs |= {"after": {"command": "true", "depends": ["j0"]}}
        keys = [lab.batch(f"b{n}", jobs, files={"in.dat": "input"}) for n in range(2)]
        looks = 0
        while not all(_is_finished(lab, key) for key in keys):
            assert check(lab.spool) == [], lab.describe()
            looks += 1
        assert looks >= 3
        for key in keys:
            ended = lab.wait_finished(key)
            assert len(ended[State.DONE]) == JOBS + 1
            assert len(ended[State.FAILED]) == 5
        assert check(lab.spool, checksums=True) == []
        places = find_results(lab.spool, "lab", None, None)
        # Each result, and the first try of what was tried twice.
        assert len(places) == 2 * (JOBS + 1 + 5 + 5)
        assert [difference for place in places for difference in verify(place)] == []


def _is_finished(lab: Lab, key: str) -> bool:
    place = lab.place(key)
    return place is not None and place.path.is_relative_to(lab.spool.layout.finished)


def test_a_node_that_died_leaves_no_error(tmp_path: Path) -> None:
    """Killed in the midst of its work: what it left is for others to go on with, and legal."""
    with Lab(tmp_path) as lab:
        lab.steward()
        victim = lab.node("n1", "--no-steward")
        key = lab.batch("b", {f"j{n}": "sleep 0.1" for n in range(12)})
        lab.wait(lambda: lab.tickets(key).get(State.DONE), 20.0, "a job is done")
        victim.kill_with_jobs()
        assert _errors(lab) == []
        lab.node("n2", "--no-steward")
        lab.wait_finished(key)
        assert _errors(lab) == []


def _errors(lab: Lab) -> list[Finding]:
    return [finding for finding in check(lab.spool) if finding.severity is Severity.ERROR]

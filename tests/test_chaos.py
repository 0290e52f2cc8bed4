"""A short campaign of chaos, and the proof that its checker finds mistakes: each mutation of the protocol is noticed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaotic.campaign import Campaign, Plan
from tests.chaotic.excerpt import about, explain
from tests.chaotic.history import Event, Kind
from tests.chaotic.mutant import MUTATIONS
from tests.chaotic.troubles import Trouble


def pass_through(folder: Path, plan: Plan) -> Campaign:
    """A campaign in which nothing is found."""
    campaign = Campaign(folder / "chaos", plan)
    findings = campaign.run()
    told = "\n".join(explain(findings, campaign.history.events))
    assert not findings, f"seed {plan.seed}, history {campaign.history.path}\n{told}"
    return campaign


def test_a_short_campaign(tmp_path: Path) -> None:
    """``make chaos`` runs a long one."""
    campaign = pass_through(tmp_path, Plan(seconds=10, nodes=3, seed=20, trouble=0.8))
    assert len(campaign.submitter.planned) >= 3


#: At most so long: it ends as soon as the mutation is found, which takes some seconds.
PATIENCE_S = 60
CONTROL_S = 4
CALM = Plan(PATIENCE_S, nodes=2, seed=1, trouble=0)
CROWD = Plan(PATIENCE_S, nodes=4, seed=1, trouble=0, work=5)
CUT_OFF = Plan(
    PATIENCE_S,
    nodes=2,
    seed=1,
    trouble=1.5,
    troubles={Trouble.CUT_OFF: 1},
    lease_s=1.5,
    lone_steward=True,
    shortest_s=0.7,
)


#: The plans in which each mutation is found, and what is found then.
MUTANTS = {
    "claim_by_copy": (CROWD, r"attempt \d+ was held by|attempt \d+ ran 2 times"),
    "no_heartbeat": (replace(CALM, lease_s=2.0, shortest_s=2.0), "which had no trouble"),
    "any_lease": (CALM, "which had no trouble"),
    "no_fence": (CUT_OFF, "has no place: done|a result, although it is (pending|claimed)|was not made by"),
    "no_saves": (CALM, "lacks what the job saved"),
}


@pytest.mark.parametrize("mutation", MUTANTS)
def test_a_mutation_is_found(tmp_path: Path, mutation: str) -> None:
    plan, expected = MUTANTS[mutation]
    campaign = Campaign(tmp_path / "chaos", replace(plan, mutation=mutation))
    findings = campaign.run_until(expected)
    assert [one for one in findings if re.search(expected, one)], "\n".join(findings)


def test_each_mutation_is_tried() -> None:
    assert set(MUTANTS) == set(MUTATIONS)


@pytest.mark.parametrize("mutation", {id(plan): mutation for mutation, (plan, _) in MUTANTS.items()}.values())
def test_nothing_is_found_without(tmp_path: Path, mutation: str) -> None:
    """The same plan: it is the mutation that the checker finds."""
    campaign = pass_through(tmp_path, replace(MUTANTS[mutation][0], seconds=CONTROL_S))
    assert campaign.history.of(Kind.SEEN)


def test_what_the_history_tells_of_a_violation() -> None:
    events = [
        Event(0.5, Kind.FROZEN, "n1"),
        Event(1.0, Kind.SUBMITTED, "chaos/b001", "rename"),
        Event(2.0, Kind.SEEN, "chaos/b001/j3~1@n1", "claimed"),
        Event(2.1, Kind.SEEN, "chaos/b001/j30~1@n2", "claimed"),
        Event(2.2, Kind.SEEN, "chaos/b002/j3~1@n2", "claimed"),
        Event(2.5, Kind.FROZEN, "n1"),
        Event(2.6, Kind.FROZEN, "n2"),
        Event(3.0, Kind.COMMANDED, "kill chaos/b001/j3"),
        Event(4.0, Kind.SETTLED, "all"),
    ]
    finding = "chaos/b001: j3: attempt 1 ran 2 times"
    told = about(finding, events)
    assert [event.at for event in told] == [1.0, 2.0, 2.5, 3.0]
    assert list(explain([finding], events)) == [finding, *(f"    {event.line}" for event in told)]
    assert [event.at for event in about("chaos/b002: it is not in finished/", events)] == [2.2]
    assert list(explain(["incoming/x is left over"], events)) == ["incoming/x is left over"]

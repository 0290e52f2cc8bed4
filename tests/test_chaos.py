"""A short campaign of chaos, and the proof that its checker finds mistakes: each mutation of the protocol is noticed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaotic.campaign import Campaign, Plan
from tests.chaotic.troubles import Trouble


def test_a_short_campaign(tmp_path: Path) -> None:
    """``make chaos`` runs a long one."""
    campaign = Campaign(tmp_path / "chaos", Plan(seconds=10, nodes=3, seed=20, trouble=0.8))
    findings = campaign.run()
    assert findings == [], f"seed {campaign.plan.seed}, history {campaign.history.path}"
    assert len(campaign.submitter.planned) >= 3


#: At most so long: it ends as soon as the mutation is found, which takes some seconds.
PATIENCE_S = 60
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


@pytest.mark.parametrize(
    ("mutation", "plan", "expected"),
    [
        ("claim_by_copy", CROWD, r"attempt \d+ was held by|attempt \d+ ran 2 times"),
        ("no_heartbeat", replace(CALM, lease_s=2.0, shortest_s=2.0), "which had no trouble"),
        ("any_lease", CALM, "which had no trouble"),
        (
            "no_fence",
            CUT_OFF,
            "has no place: done|a result, although it is (pending|claimed)|was not made by",
        ),
    ],
)
def test_a_mutation_is_found(tmp_path: Path, mutation: str, plan: Plan, expected: str) -> None:
    campaign = Campaign(tmp_path / "chaos", replace(plan, mutation=mutation))
    findings = campaign.run_until(expected)
    assert [one for one in findings if re.search(expected, one)], "\n".join(findings)

"""Which jobs go before one, and by which rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from distribute_cli.reports.nodes import Life, NodeReport, NodeSeen, report_node
from distribute_cli.reports.ranking import WaitingBatch, count_ahead, count_at_work, explain_order, say_order
from nodewatch.picking import Rule
from spoold.node_records import NodeInfo, NodeStatus, RunningJob
from spoold.records import BatchHeader, JobSpec, Resources


def node(
    name: str = "alpha", *jobs: RunningJob, capabilities: tuple[str, ...] = ("gcc", "gpu")
) -> NodeReport:
    info = NodeInfo(name, name, 1, 4, 8 << 30, capabilities, "", "", 0.0, gpus=1)
    report = report_node(NodeSeen(name, info, NodeStatus(0.0, jobs), 1.0), 180.0, 0.0)
    assert report.life is Life.LIVE
    return report


def waiting(
    name: str, *jobs: JobSpec, namespace: str = "anna", at: float = 0.0, build: bool = False
) -> WaitingBatch:
    header = BatchHeader(
        1,
        name,
        namespace,
        name,
        "command",
        namespace,
        1,
        at,
        "",
        len(jobs),
        build_command="x" if build else None,
    )
    return WaitingBatch(header, tuple(enumerate(jobs)), frozenset({"alpha"}) if build else frozenset())


MINE = waiting("mine", JobSpec("a"), JobSpec("b"), at=5.0)


def test_each_rule_is_named_once_it_decides() -> None:
    batches = [
        MINE,
        waiting("gpu", JobSpec("x", resources=Resources(gpus=1)), at=9),
        waiting("built", JobSpec("x"), JobSpec("y"), at=9, build=True),
        waiting("urgent", JobSpec("x", priority=1), JobSpec("y", priority=-1), at=9),
        waiting("other", JobSpec("x"), namespace="bob", at=9),
        waiting("older", JobSpec("x"), at=1),
        waiting("younger", JobSpec("x"), at=9),
        waiting("large", JobSpec("x", priority=9, resources=Resources(cores=64)), at=1),
        replace(waiting("elsewhere", JobSpec("x"), at=1), refused_by=frozenset({"alpha"})),
    ]
    ahead = count_ahead(batches, "anna/mine", "b", node(), {"anna": 4})
    expected = {Rule.GPU: 1, Rule.BUILT: 2, Rule.PRIORITY: 1, Rule.FAIR_SHARE: 1, Rule.AGE: 2}
    assert ahead == Counter(expected)
    assert say_order("alpha", "b", ahead) == (
        "on alpha 7 jobs go before b: 1 asks for GPUs, 2 are built there already, 1 has a higher priority, "
        "1 is of a namespace with less at work and 2 are older"
    )


def test_what_is_at_work() -> None:
    running = RunningJob("anna", "b", "j", 1, "running", 0.0, cores=2)
    unsaid = RunningJob("bob", "b", "j", 1, "running", 0.0)
    assert count_at_work([node("alpha", running), node("beta", running, unsaid)]) == {"anna": 4, "bob": 4}


def test_only_nodes_with_something_before_it() -> None:
    batches = [MINE, waiting("older", JobSpec("x"), at=1)]
    assert list(explain_order([node()], [MINE], "anna/mine", "a")) == []
    assert list(explain_order([node()], batches, "anna/mine", "a")) == [
        ("alpha", "on alpha 1 job goes before a: 1 is older")
    ]

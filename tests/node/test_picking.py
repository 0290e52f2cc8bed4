"""In which order a node takes jobs, and what it gives them."""

from __future__ import annotations

from nodewatch.capacity import Capacity, Grant, Need, need_of
from nodewatch.ledger import Ledger
from nodewatch.picking import Line, PickBatch
from nodewatch.topology import lend, parse_cpu_list
from spoold.records import BatchHeader, JobSpec, Resources
from spoold.tickets import Ticket


def batch(
    name: str,
    *jobs: JobSpec,
    namespace: str = "anna",
    at: float = 0.0,
    built: bool | None = None,
) -> PickBatch:
    """``built`` is None where nothing has to be built."""
    command = None if built is None else "make"
    header = BatchHeader(
        1, name, namespace, name, "command", namespace, 1, at, "", len(jobs), build_command=command
    )
    by_name = {job.name: (position, job) for position, job in enumerate(jobs)}
    return PickBatch(header, by_name, tuple(Ticket(job.name, 1) for job in jobs), bool(built))


def order(line: Line, at_work: dict[str, int] | None = None) -> list[str]:
    found = []
    while group := next(line.ranked(at_work or {}), None):
        candidate = group.pop()
        found.append(f"{candidate.header.batch}/{candidate.job.name}")
    return found


def test_gpu_then_built_then_priority_then_share_then_age() -> None:
    line = Line(
        [
            batch("old", JobSpec("a"), JobSpec("b"), at=1),
            batch("urgent", JobSpec("a", priority=5), at=9),
            batch("built", JobSpec("a"), built=True, at=8),
            batch("unbuilt", JobSpec("a", priority=3), built=False, at=0),
            batch("gpu", JobSpec("a", resources=Resources(gpus=1), priority=-9), at=7),
            batch("other", JobSpec("a"), namespace="bob", at=5),
        ],
        gpu_node=True,
    )
    assert order(line, {"anna": 3, "bob": 1}) == [
        "gpu/a", "built/a", "urgent/a", "unbuilt/a", "other/a", "old/a", "old/b",
    ]  # fmt: skip


def test_without_gpus_they_have_no_precedence() -> None:
    jobs = JobSpec("a", resources=Resources(gpus=1)), JobSpec("b")
    assert order(Line([batch("x", JobSpec("c")), batch("y", *jobs, at=1)])) == ["x/c", "y/a", "y/b"]


def test_a_batch_is_forgotten() -> None:
    line = Line([batch("x", JobSpec("a")), batch("y", JobSpec("a"))])
    line.forget("anna/x")
    assert order(line) == ["y/a"]
    assert not line


def test_what_a_job_needs() -> None:
    node = Capacity(8, 100, 2)
    assert need_of(JobSpec("a"), node) == Need(8, 100, 2, whole=True)
    # How long it runs says nothing about what it needs.
    assert need_of(JobSpec("a", resources=Resources(time_s=9)), node).whole
    assert need_of(JobSpec("a", resources=Resources(gpus=1)), node) == Need(1, 0, 1)
    assert need_of(JobSpec("a", resources=Resources(cores=4, memory_bytes=7)), node) == Need(4, 7)


def test_no_number_is_given_twice() -> None:
    ledger = Ledger(Capacity(4, 100, 2))
    first = ledger.grant("a/b/x~1@n", Need(2, 10, 1), shares_tree=True)
    second = ledger.grant("a/b/y~1@n", Need(1, 0, 1), shares_tree=True)
    assert (first.cores, first.gpus, first.place) == ((0, 1), (0,), 0)
    assert (second.cores, second.gpus, second.place) == ((2,), (1,), 2)
    ledger.release("a/b/x~1@n")
    assert ledger.grant("b/b/z~1@n", Need(2), shares_tree=False) == Grant((0, 1), 0, (), False, None)
    assert ledger.cores_at_work() == {"a": 1, "b": 2}
    assert Grant.from_json(first.to_json()) == first


def test_cores_stand_for_cpus() -> None:
    """Two physical cores of two threads each, as Linux often numbers them."""
    siblings = {0: frozenset({0, 2}), 1: frozenset({1, 3}), 2: frozenset({0, 2}), 3: frozenset({1, 3})}
    assert lend(siblings, 2, 0).cpus((0,)) == (0, 2)
    assert lend(siblings, 1, 1).cpus((0,)) == (1, 3)
    assert lend(siblings, 4, 0).cpus((0, 3)) == (0, 3)
    assert lend(siblings, 8, 0).cpus((0,)) is None
    assert parse_cpu_list("0,4-6\n") == {0, 4, 5, 6}

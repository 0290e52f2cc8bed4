"""What a steward decides, as tables: tickets seen, and the renames that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoold.awaiting import Standing
from spoold.losses import MOST_LOSSES, Loss, LossCause
from spoold.policy import Action, BatchView, ClearMark, Close, Finish, GiveBack, Lose, MoveTicket, plan
from spoold.records import BatchHeader
from spoold.snapshot import BatchTickets, Builds, Kills
from spoold.tickets import MOVES, State, Ticket

NODES = frozenset({"n1", "n2"})
NO_BUILDS, NO_KILLS = Builds(), Kills()


def view(
    *seen: str,
    total: int | None = None,
    builds: Builds = NO_BUILDS,
    kills: Kills = NO_KILLS,
    depends: Mapping[str, tuple[str, ...]] | None = None,
    stuck: Iterable[str] = (),
    resting: Iterable[str] = (),
    awaited: Mapping[str, Standing] | None = None,
) -> BatchView:
    """``seen`` as in ``done/a~1@n1``; ``total`` is how many jobs the batch has, if not all were seen."""
    by_state: dict[State, list[Ticket]] = {state: [] for state in State}
    for text in seen:
        state, _, ticket = text.partition("/")
        by_state[State(state)].append(Ticket.parse(ticket))
    latest = BatchTickets(by_state).latest()
    header = BatchHeader(1, "id", "ns", "b", "command", "anna", 1, 1.0, "", total or len(latest))
    header = replace(header, after=tuple(awaited or ()))
    stuck_tickets, resting_tickets = (frozenset(map(Ticket.parse, texts)) for texts in (stuck, resting))
    return BatchView(
        header, latest, builds, kills, depends, stuck_tickets, (), resting_tickets, awaited or {}
    )


def show(actions: Iterable[Action]) -> list[str]:
    """``held/a~1 → pending`` and the like, sorted."""
    texts = []
    for action in actions:
        match action:
            case MoveTicket(source, target, ticket):
                texts.append(f"{source.value}/{ticket} → {target.value}")
            case GiveBack(ticket):
                texts.append(f"give back {ticket}")
            case Lose(ticket, reason):
                texts.append(f"lose {ticket}: {reason}")
            case Finish(ticket):
                texts.append(f"finish {ticket}")
            case Close():
                texts.append("close")
            case ClearMark(name):
                texts.append(f"clear {name}")
    return sorted(texts)


def decide(seen: BatchView, capable: frozenset[str] = NODES, lapsed: Iterable[str] = ()) -> list[str]:
    return show(plan(seen, capable, frozenset(lapsed)))


RELEASED, CANCELLED = ["held/b~1 → pending"], ["held/b~1 → cancelled"]


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        (["done/a~1@n1"], RELEASED),
        (["failed/a~1@n1"], CANCELLED),
        (["failed/a~1"], CANCELLED),
        (["cancelled/a~1"], CANCELLED),
        (["cancelled/a~3@n2"], CANCELLED),
        (["pending/a~1"], []),
        (["claimed/a~1@n1"], []),
        (["publishing/a~1@n1"], []),
        (["held/a~1"], []),
        ([], []),
        (["done/a~1@n1", "done/c~1@n1"], RELEASED),
        (["done/a~1@n1", "pending/c~1"], []),
        (["failed/a~1@n1", "pending/c~1"], CANCELLED),
        (["failed/a~1@n1", "pending/a~2"], []),
        (["pending/a~1", "done/a~1@n1"], RELEASED),
    ],
)
def test_a_held_job_waits_for_those_that_it_depends_on(dependencies: list[str], expected: list[str]) -> None:
    needs = {"b": ("a", "c") if any("/c~" in d for d in dependencies) else ("a",), "a": ("z",)}
    found = decide(view("held/b~1", "pending/z~1", *dependencies, total=9, depends=needs))
    assert [a for a in found if "/b~" in a] == expected


def test_a_held_job_waits_as_long_as_its_dependencies_are_unknown() -> None:
    assert decide(view("held/b~1", "done/a~1@n1", depends=None)) == []


def test_a_dependency_that_was_not_seen_is_not_done() -> None:
    assert decide(view("held/b~1", total=2, depends={"b": ("a",)})) == []


@pytest.mark.parametrize(
    ("standings", "dependency", "expected"),
    [
        ([Standing.DONE], "done/a~1@n1", RELEASED),
        ([Standing.DONE, Standing.DONE], "done/a~1@n1", RELEASED),
        ([Standing.DONE, Standing.UNFINISHED], "done/a~1@n1", []),
        ([Standing.ABSENT], "done/a~1@n1", []),
        ([Standing.DONE], "pending/a~1", []),
        ([Standing.DONE], "failed/a~1", CANCELLED),
        ([Standing.FAILED], "done/a~1@n1", CANCELLED),
        ([Standing.FAILED], "pending/a~1", CANCELLED),
        ([Standing.ABSENT, Standing.FAILED], "done/a~1@n1", CANCELLED),
    ],
)
def test_a_held_job_waits_for_the_batches_that_its_own_comes_after(
    standings: list[Standing], dependency: str, expected: list[str]
) -> None:
    awaited = {f"ns/{number}": standing for number, standing in enumerate(standings)}
    found = decide(view("held/b~1", dependency, total=9, depends={"b": ("a",)}, awaited=awaited))
    assert [a for a in found if "/b~" in a] == expected


def test_a_batch_of_which_nothing_was_read_is_waited_for() -> None:
    seen = view("held/b~1", depends={"b": ()}, awaited={"ns/a": Standing.DONE})
    assert decide(seen) == RELEASED
    assert decide(replace(seen, awaited={})) == []


def test_a_job_that_rests_is_released_later_and_cancelled_at_once() -> None:
    seen = view("held/b~2", "held/c~2", depends={"b": (), "c": ()}, resting=["b~2"])
    assert decide(seen) == ["held/c~2 → pending"]
    killed = replace(seen, kills=Kills(batch=True))
    assert decide(killed) == ["held/b~2 → cancelled", "held/c~2 → cancelled"]


@pytest.mark.parametrize(
    ("kills", "expected"),
    [
        (Kills(), []),
        (Kills(batch=True), ["held/b~1 → cancelled", "pending/a~2 → cancelled"]),
        (Kills(jobs=frozenset({"a", "c"})), ["pending/a~2 → cancelled"]),
        (Kills(jobs=frozenset({"b", "unknown"})), ["held/b~1 → cancelled"]),
    ],
)
def test_a_kill_hits_what_nobody_holds(kills: Kills, expected: list[str]) -> None:
    seen = ["held/b~1", "pending/a~2", "claimed/c~1@n1", "publishing/d~1@n1", "done/e~1@n1"]
    assert decide(view(*seen, kills=kills, depends={"b": ("c",)})) == expected


def test_a_kill_without_effect_is_cleared_away() -> None:
    seen = view("pending/a~1", kills=Kills(ineffective=frozenset({"kill~a", "kill"})))
    assert decide(seen) == ["clear kill", "clear kill~a"]


def test_a_killed_job_is_cancelled_once_whatever_else_could_be_done_with_it() -> None:
    killed = view(
        "held/b~1",
        "done/a~1@n1",
        "pending/c~1",
        kills=Kills(batch=True),
        depends={"b": ("a",)},
        builds=Builds(failed=NODES),
    )
    assert decide(killed) == ["held/b~1 → cancelled", "pending/c~1 → cancelled"]


@pytest.mark.parametrize(
    ("failed", "capable", "gives_up"),
    [
        ({"n1", "n2"}, {"n1", "n2"}, True),
        ({"n1", "n2", "gone"}, {"n1"}, True),
        ({"n1"}, {"n1", "n2"}, False),
        ({"n1"}, set(), False),
        (set(), {"n1"}, False),
        ({"gone"}, {"n1"}, False),
    ],
)
def test_a_batch_is_given_up_when_every_live_capable_node_failed_to_build_it(
    failed: set[str], capable: set[str], gives_up: bool
) -> None:
    seen = view(
        "pending/a~2",
        "held/b~1",
        "claimed/c~1@n3",
        "done/d~1@n3",
        builds=Builds(failed=frozenset(failed)),
        depends={"b": ("c",)},
    )
    assert decide(seen, frozenset(capable)) == (["pending/a~2 → failed"] if gives_up else [])


def test_only_jobs_of_lapsed_nodes_are_given_back() -> None:
    seen = view("claimed/a~1@n1", "claimed/b~2@n2", "publishing/c~1@n2", "done/d~1@n2", "pending/e~1")
    assert decide(seen, lapsed=["n2"]) == ["give back b~2@n2"]
    assert decide(seen) == []


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], "give back a~9@n2"),
        (["a~1@n1.lost"], "give back a~9@n2"),
        (["a~1@n1.lost", "a~2@n3.lost"], "lose a~9@n2: it was lost with 3 nodes: n1, n2, n3"),
        # The same node again, another job's, and what a living node gave back.
        (["a~1@n1.lost", "a~2@n1.lost", "a~3@n2.lost"], "give back a~9@n2"),
        (["a~1@n1.lost", "b~2@n3.lost"], "give back a~9@n2"),
        (["a~1@n1.lost", "a~2@n3.returned"], "give back a~9@n2"),
        ([f"a~{n}@n2.lost" for n in range(MOST_LOSSES - 1)], "lose a~9@n2: it was given back 10 times"),
        ([f"a~{n}@n2.returned" for n in range(MOST_LOSSES - 2)], "give back a~9@n2"),
    ],
)
def test_a_job_that_is_lost_too_often_fails(losses: list[str], expected: str) -> None:
    numbered = (text.replace("~0@", "~10@").rpartition(".") for text in losses)
    marks = tuple(Loss(Ticket.parse(ticket), LossCause(cause)) for ticket, _, cause in numbered)
    seen = replace(view("claimed/a~9@n2"), losses=marks)
    assert decide(seen, lapsed=["n2"]) == [expected]
    assert decide(seen) == []


def test_only_what_is_stuck_is_finished_by_the_steward() -> None:
    seen = view("publishing/a~1@n1", "publishing/b~1@n1", stuck=["b~1@n1", "gone~1@n1"])
    assert decide(seen) == ["finish b~1@n1"]


@pytest.mark.parametrize(
    ("seen", "total", "closes"),
    [
        (["done/a~1@n1", "failed/b~1", "cancelled/c~2@n1"], 3, True),
        (["done/a~1@n1", "failed/b~1"], 3, False),
        (["done/a~1@n1", "pending/b~1"], 2, False),
        (["done/a~1@n1", "publishing/b~1@n1"], 2, False),
        (["failed/a~1@n1", "pending/a~2"], 1, False),
        (["failed/a~1@n1", "done/a~2@n1"], 1, True),
        (["done/a~1@n1", "done/unknown~1@n1"], 1, False),
        ([], 1, False),
    ],
)
def test_a_batch_is_closed_only_when_the_end_of_every_job_was_seen(
    seen: list[str], total: int, closes: bool
) -> None:
    assert ("close" in decide(view(*seen, total=total))) is closes


jobs = st.sampled_from("abcd")
placed = st.builds(
    lambda state, job, attempt, node: f"{state.value}/{Ticket(job, attempt, node)}",
    st.sampled_from(list(State)),
    jobs,
    st.integers(1, 3),
    st.sampled_from(["n1", "n2"]),
)


@given(
    st.lists(placed, max_size=6),
    st.builds(Kills, st.booleans(), st.frozensets(jobs)),
    st.builds(Builds, st.just(frozenset()), st.frozensets(st.sampled_from(["n1", "n2"]))),
    st.frozensets(st.sampled_from(["n1", "n2"])),
    st.integers(1, 4),
)
def test_every_decision_is_a_legal_move_and_one_a_job(
    seen: list[str], kills: Kills, builds: Builds, lapsed: frozenset[str], total: int
) -> None:
    needs = {job: tuple(set("abcd") - {job}) for job in "abcd"}
    actions = plan(view(*seen, total=total, kills=kills, builds=builds, depends=needs), NODES, lapsed)
    legal = {(m.source, m.target) for m in MOVES.values()}
    tickets = []
    for action in actions:
        if isinstance(action, MoveTicket):
            assert (action.source, action.target) in legal
        if not isinstance(action, Close):
            tickets.append(action.ticket.job)
    assert len(tickets) == len(set(tickets))

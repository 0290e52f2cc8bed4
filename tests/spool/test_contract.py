"""What a spool promises holds in a local folder and behind mounts with stale caches.

Claims, publication, admission, and their races: at each operation of one host, the other host acts. Both
have looked at everything before, so that their caches are as wrong as they can be.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from spoold.claims import claim, give_back
from spoold.codec import encode
from spoold.publication import discard, finish, publish, stage
from spoold.records import Outcome, RetryRequest
from spoold.snapshot import BatchRef, find_batch, read_record, read_state
from spoold.spool import Spool
from spoold.steward import Steward
from spoold.sweeping import sweep_staging
from spoold.tickets import State, Ticket
from tests.spool.lab import Disk, Lab, job_file, once
from tests.spool.places import CACHE_S, Pair, Places, missing_for_mounts, stale_mounts
from tests.spool.witness import check_end, check_files
from tests.support import wait_until

STUCK_S = 11.0
MOST_OPERATIONS = 200
TRIES = 30
Act = Callable[[Spool], object]
when = pytest.mark.parametrize("when", ["before", "after"])


@pytest.fixture(scope="module", params=["local", "stale"])
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    folder = tmp_path_factory.mktemp("places")
    if request.param == "local":
        yield Places((folder, folder), stale=False)
        return
    if missing := missing_for_mounts():
        pytest.skip(missing)
    with ExitStack() as stack:
        try:
            roots = stack.enter_context(stale_mounts(folder))
        except OSError as error:
            pytest.skip(f"nothing can be mounted: {error}")
        yield Places(roots, stale=True)


def submitted(places: Places, jobs: dict[str, str]) -> tuple[Pair, BatchRef, BatchRef]:
    """A batch as each of the two hosts sees it."""
    pair = places.pair()
    mine = pair.here.submit("b", jobs)
    theirs = pair.there.ref("b")
    pair.warm()
    return pair, mine, theirs


def claimed(places: Places) -> tuple[Pair, BatchRef, BatchRef, Ticket]:
    """A job that node n1, which is here, has run and staged."""
    pair, mine, theirs = submitted(places, {"a": ""})
    ticket = pair.here.claim(mine, "a")
    stage(pair.here.spool, pair.here.result(mine, ticket))
    pair.warm()
    return pair, mine, theirs, ticket


def orders() -> Iterator[int]:
    """Operations until the test stops, for there are no more."""
    yield from range(1, MOST_OPERATIONS)
    raise AssertionError("it never ends")


def interleave(lab: Lab, act: Act, do: Callable[[], object], number: int, when: str) -> bool:
    """``act`` with ``do`` at one of its operations; False if it has fewer."""
    done: list[object] = []
    act(lab.reopen(once(lambda: done.append(do()), number, when)))
    return bool(done)


def check_archived(lab: Lab, state: State, ticket: Ticket) -> None:
    folder = lab.spool.layout.archived_job("ns", "b", ticket.job)
    record = read_record(lab.spool, folder)
    check_end(record, state, ticket)
    assert record is not None
    check_files(folder, record)


def settle(lab: Lab, expected: dict[str, list[str]]) -> None:
    """A new steward tends the batch: that is how it ends and stays, once the caches have seen it all."""
    steward = lab.steward()

    def tended() -> dict[str, list[str]]:
        lab.sweep(steward)
        lab.clock.now_s += STUCK_S
        return {} if find_batch(lab.spool, "ns", "b") is None else lab.tickets(lab.ref("b"))

    wait_until(lambda: tended() == expected, every_s=0.2)
    assert tended() == expected


def test_the_caches_of_the_mounts_are_stale(places: Places) -> None:
    """Else this would test the local folder twice."""
    for _ in range(TRIES):
        begin_s = time.monotonic()
        seen, listed = look_after_a_change(places)
        if time.monotonic() - begin_s < CACHE_S:
            break
    assert seen == ((False, True) if places.stale else (True, False))
    assert listed == ["new"]


def look_after_a_change(places: Places) -> tuple[tuple[bool, bool], list[str]]:
    """What one host sees of a file that the other has just made, and of one that it removed; its listing."""
    pair = places.pair()
    new, old = (pair.there.spool.layout.tmp / name for name in ("new", "old"))
    old.touch()
    assert not new.exists()
    for name in ("new", "old"):
        path = pair.here.spool.layout.tmp / name
        path.touch() if name == "new" else path.unlink()
    return (new.exists(), old.exists()), pair.there.private()


# Claims


@when
def test_two_claimers_of_one_job(places: Places, when: str) -> None:
    pair, mine, theirs = submitted(places, {"a": ""})
    won: list[Ticket | None] = []

    def take_there() -> None:
        won.append(claim(pair.there.spool, theirs.folder, Ticket("a", 1), "n2"))

    def take_here(spool: Spool) -> None:
        won.append(claim(spool, mine.folder, Ticket("a", 1), "n1"))

    assert interleave(pair.here, take_here, take_there, 1, when)
    (winner,) = [ticket for ticket in won if ticket]
    assert len(won) == 2
    assert winner.node == ("n2" if when == "before" else "n1")
    for lab, ref in ((pair.here, mine), (pair.there, theirs)):
        assert lab.tickets(ref) == {"claimed": [str(winner)]}


def test_many_claimers_of_many_jobs(places: Places) -> None:
    jobs = {f"j{index}": "" for index in range(40)}
    pair, mine, theirs = submitted(places, jobs)
    start = threading.Barrier(4)
    won: dict[str, list[str]] = {}

    def take_all(lab: Lab, ref: BatchRef, node: str) -> None:
        seen = read_state(lab.spool, ref.folder, State.PENDING)
        start.wait(timeout=20)
        taken = [claim(lab.spool, ref.folder, ticket, node) for ticket in seen]
        won[node] = [str(ticket) for ticket in taken if ticket]

    sides = ((pair.here, mine), (pair.there, theirs)) * 2
    threads = [threading.Thread(target=take_all, args=(*s, f"n{i}")) for i, s in enumerate(sides)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    taken = sorted(name for names in won.values() for name in names)
    assert sorted(name.partition("~")[0] for name in taken) == sorted(jobs)
    assert pair.there.tickets(theirs) == {"claimed": taken}


@when
def test_a_claim_against_a_kill(places: Places, when: str) -> None:
    for number in orders():
        pair, mine, theirs = submitted(places, {"a": ""})
        mine.folder.kill().touch()
        won: list[Ticket | None] = []

        def take(pair: Pair = pair, theirs: BatchRef = theirs, won: list[Ticket | None] = won) -> None:
            won.append(claim(pair.there.spool, theirs.folder, Ticket("a", 1), "n2"))

        if not interleave(pair.here, lambda spool: pair.sweep_as(spool), take, number, when):  # noqa: B023
            break
        expected = {"claimed": ["a~1@n2"]} if won[0] else {"cancelled": ["a~1"]}
        assert bool(won[0]) == (number == 1 and when == "before")
        settle(pair.here, expected)
        settle(pair.there, expected)


@when
def test_a_claim_while_the_batch_is_closed(places: Places, when: str) -> None:
    """Every job has ended, but the other host believes to see one that waits."""
    for number in orders():
        pair, mine, theirs = submitted(places, {"a": ""})
        pair.here.complete(mine, "a")
        won: list[Ticket | None] = []

        def take(pair: Pair = pair, theirs: BatchRef = theirs, won: list[Ticket | None] = won) -> None:
            won.append(claim(pair.there.spool, theirs.folder, Ticket("a", 1), "n2"))

        if not interleave(pair.here, lambda spool: pair.sweep_as(spool), take, number, when):  # noqa: B023
            break
        assert won == [None]
        settle(pair.there, {"done": ["a~1@n1"]})
        assert pair.there.ref("b").finished


# Publication


@when
def test_giving_back_against_publishing(places: Places, when: str) -> None:
    """n1's lease lapsed, and it comes back with its result: before the fence, or too late."""
    results = set()
    for number in orders():
        pair, mine, theirs, ticket = claimed(places)

        def deliver(spool: Spool, pair: Pair = pair, mine: BatchRef = mine, ticket: Ticket = ticket) -> None:
            if publish(spool, mine.folder, ticket):
                finish(spool, mine.folder, "ns", "b", ticket)
            else:
                discard(spool, "ns", "b", ticket)

        def take_away(pair: Pair = pair, theirs: BatchRef = theirs, ticket: Ticket = ticket) -> None:
            if give_back(pair.there.spool, theirs.folder, ticket):
                pair.there.complete(theirs, "a", node="n2")

        if not interleave(pair.here, deliver, take_away, number, when):
            break
        expected = Ticket("a", 2, "n2") if when == "before" and number == 1 else ticket
        settle(pair.there, {"done": [str(expected)]})
        check_archived(pair.here, State.DONE, expected)
        check_archived(pair.there, State.DONE, expected)
        results.add(expected.attempt)
    assert results == ({1, 2} if when == "before" else {1})


@when
def test_another_host_finishes_what_was_published(places: Places, when: str) -> None:
    """Both at once, as after a pause of the node; the sweep of staging runs beside them."""
    for number in orders():
        pair, mine, theirs, ticket = claimed(places)
        assert publish(pair.here.spool, mine.folder, ticket)

        def roll_forward(pair: Pair = pair, theirs: BatchRef = theirs, ticket: Ticket = ticket) -> None:
            finish(pair.there.spool, theirs.folder, "ns", "b", ticket)
            sweep_staging(pair.there.spool)

        def deliver(spool: Spool, mine: BatchRef = mine, ticket: Ticket = ticket) -> None:
            finish(spool, mine.folder, "ns", "b", ticket)

        if not interleave(pair.here, deliver, roll_forward, number, when):
            break
        settle(pair.here, {"done": [str(ticket)]})
        check_archived(pair.there, State.DONE, ticket)


@when
def test_a_sweep_of_staging_by_a_host_that_saw_nothing_of_the_claim(places: Places, when: str) -> None:
    for number in orders():
        pair, mine, _ = submitted(places, {"a": ""})
        ticket = pair.here.claim(mine, "a")

        def deliver(spool: Spool, pair: Pair = pair, mine: BatchRef = mine, ticket: Ticket = ticket) -> None:
            stage(spool, pair.here.result(mine, ticket))
            assert publish(spool, mine.folder, ticket)
            finish(spool, mine.folder, "ns", "b", ticket)

        if not interleave(pair.here, deliver, lambda: sweep_staging(pair.there.spool), number, when):  # noqa: B023
            break
        check_archived(pair.there, State.DONE, ticket)


# Admission


@when
def test_two_hosts_admit_one_drop(places: Places, when: str) -> None:
    for number in orders():
        pair = places.pair()
        pair.here.drop("b.yaml", job_file("b", {"a": "", "c": "depends: [a]"}))
        spool, second = pair.here.reopen(), pair.there.steward()
        first = Steward(spool, pair.here.clock)
        for steward in (first, second):
            steward.sweep()
        pair.warm()
        pair.here.clock.now_s += 3.0
        assert isinstance(spool.ops, Disk)
        acted: list[bool] = []
        number_of_all = number + spool.ops.count
        spool.ops.hook = once(lambda: acted.append(second.sweep()), number_of_all, when)  # noqa: B023
        first.sweep()
        if not acted:
            break
        for lab in (pair.there, pair.here):
            settle(lab, {"held": ["c~1"], "pending": ["a~1"]})
            assert (lab.incoming(), lab.rejected(), lab.private()) == ([], {}, [])


# Retries


@when
def test_a_retry_while_the_batch_is_closed(places: Places, when: str) -> None:
    for number in orders():
        pair, mine, _ = submitted(places, {"a": ""})
        pair.here.complete(mine, "a", Outcome.FAILED)
        pair.warm()

        def retry(pair: Pair = pair) -> None:
            path = pair.there.spool.layout.incoming / "r.retry"
            path.write_bytes(encode(RetryRequest("ns", "b", ("a~1@n1",))))
            pair.there.steward().sweep()

        if not interleave(pair.here, lambda spool: pair.sweep_as(spool), retry, number, when):  # noqa: B023
            break
        for lab in (pair.here, pair.there):
            settle(lab, {"pending": ["a~2"]})
        assert not pair.there.ref("b").finished
        assert pair.there.incoming() == []

"""What lets a held job wait: an error before it, or batches before its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from spoold.awaiting import Standing, read_standing
from spoold.claims import back_off, give_back
from spoold.codec import encode
from spoold.publication import keep_attempt, stage
from spoold.records import Outcome, RetryRequest
from spoold.resting import LONGEST_REST_S, count_kept, rest_s
from spoold.snapshot import BatchRef, read_header, read_jobs
from spoold.spool import NoSpool, Settings, open_spool
from spoold.tickets import Ticket
from tests.spool.lab import Lab, job_file, make_lab

WAIT_S = 10.0


@pytest.fixture
def lab(fast_folder: Path) -> Lab:
    return make_lab(fast_folder, Settings(retry_wait_s=WAIT_S))


def fail_once(lab: Lab, ref: BatchRef, job: str) -> Ticket:
    """An attempt ends with an error and has retries left; its next attempt."""
    ticket = lab.claim(ref, job)
    stage(lab.spool, lab.result(ref, ticket, Outcome.FAILED))
    keep_attempt(lab.spool, ref.namespace, ref.batch, ticket)
    again = back_off(lab.spool, ref.folder, ticket)
    assert again is not None
    return again


def pass_s(lab: Lab, seconds: float) -> None:
    lab.clock.now_s += seconds


# Resting


@pytest.mark.parametrize(
    ("errors", "rests_s"), [(1, 10.0), (2, 20.0), (3, 40.0), (6, 320.0), (7, LONGEST_REST_S), (100, 600.0)]
)
def test_a_rest_doubles_up_to_ten_minutes(errors: int, rests_s: float) -> None:
    assert rest_s(WAIT_S, errors) == rests_s
    assert rest_s(0.0, errors) == 0.0


@pytest.mark.parametrize(
    ("names", "ticket", "errors"),
    [
        ({"a~1"}, Ticket("a", 2), 1),
        ({"a~1", "a~3", "b~2"}, Ticket("a", 4), 2),
        ({"a~1"}, Ticket("a", 3), 0),
        ({"a"}, Ticket("a", 2), 0),
        (set(), Ticket("a", 1001), 0),
    ],
)
def test_only_an_attempt_that_was_kept_just_before_is_rested_for(
    names: set[str], ticket: Ticket, errors: int
) -> None:
    assert count_kept(frozenset(names), ticket) == errors


def test_a_job_rests_longer_after_each_error(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "retries: 2", "d": "depends: [a]"})
    steward = lab.sweep()
    for attempt, wait_s in ((2, WAIT_S), (3, 2 * WAIT_S)):
        assert str(fail_once(lab, ref, "a")) == f"a~{attempt}"
        assert not steward.sweep()
        pass_s(lab, wait_s - 0.1)
        assert not steward.sweep()
        assert lab.tickets(ref)["held"] == [f"a~{attempt}", "d~1"]
        pass_s(lab, 0.2)
        assert steward.sweep(), "the daemons are told"
        assert lab.tickets(ref)["pending"] == [f"a~{attempt}"]
    lab.complete(ref, "a")
    steward.sweep()
    assert lab.tickets(ref)["pending"] == ["d~1"]


def test_a_new_steward_begins_a_rest_anew_and_two_do_no_harm(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "retries: 2"})
    first = lab.sweep()
    fail_once(lab, ref, "a")
    first.sweep()
    pass_s(lab, WAIT_S - 1)
    second = lab.steward()
    second.sweep()
    pass_s(lab, 2)
    second.sweep()
    assert lab.tickets(ref) == {"held": ["a~2"]}
    first.sweep()
    second.sweep()
    assert lab.tickets(ref) == {"pending": ["a~2"]}


def test_a_resting_job_is_cancelled_at_once(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "retries: 2", "c": ""})
    steward = lab.sweep()
    fail_once(lab, ref, "a")
    ref.folder.kill("a").touch()
    steward.sweep()
    assert lab.tickets(ref) == {"cancelled": ["a~2"], "pending": ["c~1"]}


def test_a_retry_by_hand_needs_no_rest(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "d": "depends: [a], retries: 1"})
    steward = lab.sweep()
    lab.complete(ref, "a")
    steward.sweep()
    fail_once(lab, ref, "d")
    steward.sweep()
    pass_s(lab, WAIT_S)
    steward.sweep()
    lab.complete(ref, "d", Outcome.FAILED)
    lab.sweep(steward)
    (lab.spool.layout.incoming / "r.retry").write_bytes(encode(RetryRequest("ns", "b", ("d~2@n1",))))
    steward.sweep()
    steward.sweep()
    assert lab.tickets(lab.ref("b"))["pending"] == ["d~3"]


def test_a_job_that_was_lost_meanwhile_is_backed_off_by_nobody(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "retries: 1"})
    ticket = lab.claim(ref, "a")
    give_back(lab.spool, ref.folder, ticket)
    assert back_off(lab.spool, ref.folder, ticket) is None
    assert lab.tickets(ref) == {"pending": ["a~2"]}


def test_no_rest_may_be_asked_for(fast_folder: Path) -> None:
    lab = make_lab(fast_folder, Settings(retry_wait_s=0.0))
    assert open_spool(lab.spool.root).settings.retry_wait_s == 0.0
    path = lab.spool.layout.settings
    text = path.read_text()
    for wrong in ("-1", "no", ".inf", "soon"):
        path.write_text(text.replace("retry_wait_s: 0", f"retry_wait_s: {wrong}"))
        with pytest.raises(NoSpool, match="it must be a number from 0 up"):
            open_spool(lab.spool.root)
    path.write_text(text.replace("rescan_s: 1.5", "rescan_s: 0"))
    with pytest.raises(NoSpool, match="it must be a number above 0"):
        open_spool(lab.spool.root)


# Batches before others


def submit(lab: Lab, batch: str, after: str = "", jobs: dict[str, str] | None = None) -> BatchRef:
    lab.drop(f"{batch}.yaml", job_file(batch, jobs or {"a": "", "c": ""}, after))
    lab.sweep()
    return lab.ref(batch)


def test_a_batch_waits_until_every_job_of_another_is_done(lab: Lab) -> None:
    later = submit(lab, "later", "after: ns/first")
    header = read_header(lab.spool, later.folder)
    assert header is not None
    assert header.after == ("ns/first",)
    steward = lab.sweep()
    assert lab.tickets(later) == {"held": ["a~1", "c~1"]}
    assert read_standing(lab.spool, "ns/first") is Standing.ABSENT
    first = submit(lab, "first")
    lab.complete(first, "a")
    lab.sweep(steward)
    assert read_standing(lab.spool, "ns/first") is Standing.UNFINISHED
    lab.complete(first, "c")
    assert lab.tickets(later) == {"held": ["a~1", "c~1"]}
    lab.sweep(steward)
    assert read_standing(lab.spool, "ns/first") is Standing.DONE
    assert lab.tickets(later) == {"pending": ["a~1", "c~1"]}


def test_a_batch_is_cancelled_if_one_before_it_ends_badly_and_can_be_retried(lab: Lab) -> None:
    first, other = submit(lab, "first"), submit(lab, "other")
    submit(lab, "later", "after: [ns/first, ns/other]", {"a": "", "d": "depends: [a]"})
    steward = lab.sweep()
    lab.complete(first, "a", Outcome.FAILED)
    lab.sweep(steward)
    assert lab.tickets(lab.ref("later")) == {"held": ["a~1", "d~1"]}, "it may be retried until it has ended"
    lab.complete(first, "c")
    lab.sweep(steward, times=3)
    later = lab.ref("later")
    assert later.finished
    assert lab.tickets(later) == {"cancelled": ["a~1", "d~1"]}

    def ask(batch: str, *tickets: str) -> None:
        request = RetryRequest("ns", batch, tickets)
        (lab.spool.layout.incoming / f"{batch}.retry").write_bytes(encode(request))
        steward.sweep()

    ask("first", "a~1@n1")
    ask("later", "a~1", "d~1")
    assert lab.tickets(lab.ref("later")) == {"held": ["a~2", "d~2"]}
    lab.complete(lab.ref("first"), "a")
    for job in ("a", "c"):
        lab.complete(other, job)
    lab.sweep(steward, times=3)
    assert lab.tickets(lab.ref("later")) == {"held": ["d~2"], "pending": ["a~2"]}


def test_a_finished_batch_of_which_a_ticket_hides_is_waited_for(lab: Lab) -> None:
    first = submit(lab, "first")
    for job in ("a", "c"):
        lab.complete(first, job)
    lab.sweep()
    hidden = lab.ref("first").folder.path / "done" / "a~1@n1"
    hidden.rename(lab.scratch / "a")
    assert read_standing(lab.spool, "ns/first") is Standing.UNFINISHED


def test_what_a_job_asks_for_when_it_is_evicted_is_stored(lab: Lab) -> None:
    meta = "on_evict: USR1, evict_grace: 30s, resume: true"
    own = "on_evict: SIGTERM, evict_grace: 1h, resume: false"
    lab.drop("b.yaml", job_file("b", {"a": "", "c": own}, meta))
    lab.sweep()
    jobs = read_jobs(lab.spool, lab.ref("b").folder)
    assert jobs is not None
    assert [(job.on_evict, job.evict_grace_s, job.resume) for job in jobs.jobs] == [
        ("SIGUSR1", 30.0, True),
        ("SIGTERM", 3600.0, False),
    ]

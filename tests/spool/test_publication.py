"""From a result to the archive: whoever dies where, it appears once, whole, and nothing archived changes."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoold.claims import give_back
from spoold.publication import (
    LostResult,
    archived_name,
    count_errors,
    discard,
    finish,
    keep_attempt,
    publish,
    stage,
)
from spoold.records import JobRecord, Outcome, RetryRequest
from spoold.retrying import carry_out
from spoold.snapshot import BatchRef, read_record
from spoold.spool import Spool
from spoold.sweeping import sweep_staging
from spoold.tickets import State, Ticket
from tests.spool.conftest import needs_root
from tests.spool.lab import NOBODY, Crash, Lab, as_user, crash_at, make_lab, once, tree

Make = Callable[[], Lab]
STUCK_S = 11.0


def archived(lab: Lab, *parts: str) -> Path:
    return lab.spool.layout.archived_batch("ns", "b").joinpath(*parts)


def record_of(lab: Lab, folder: str = "a") -> JobRecord:
    record = read_record(lab.spool, archived(lab, folder))
    assert record is not None
    return record


def staged(lab: Lab) -> list[str]:
    return [str(p) for p in lab.spool.layout.archive.glob(".staging/**/*")]


def check_archived(lab: Lab, folder: str, text: str) -> None:
    """The folder holds exactly what its record says, and the file that the attempt saved."""
    record = record_of(lab, folder)
    found = {n: c for n, c in tree(archived(lab, folder)).items() if n != ".job.json"}
    assert {f.path: (f.size_bytes, f.sha256) for f in record.files} == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in found.items()
    }
    assert found["out.txt"].decode() == text


# The ordinary case


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_result_goes_where_its_outcome_says(lab: Lab, outcome: Outcome) -> None:
    ref = lab.submit("b", {"a": ""})
    ticket = lab.complete(ref, "a", outcome)
    assert lab.tickets(ref) == {outcome.value: [str(ticket)]}
    check_archived(lab, "a", "a~1@n1")
    assert not list(lab.spool.layout.staging("ns", "b", ticket).parent.iterdir())


def test_the_node_is_fenced_when_its_job_was_given_away(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    ticket = lab.claim(ref, "a")
    stage(lab.spool, lab.result(ref, ticket))
    assert give_back(lab.spool, ref.folder, ticket) == Ticket("a", 2)
    assert not publish(lab.spool, ref.folder, ticket)
    discard(lab.spool, "ns", "b", ticket)
    assert lab.tickets(ref) == {"pending": ["a~2"]}
    lab.complete(ref, "a", node="n2")
    assert give_back(lab.spool, ref.folder, ticket) is None
    assert record_of(lab).node == "n2"
    assert sorted(os.listdir(archived(lab))) == ["a", "batch.json", "job.yaml"]


def test_a_spool_that_is_unmounted_is_no_fence(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": ""})
    ticket, other = lab.claim(ref, "a"), lab.claim(ref, "c")
    stage(lab.spool, lab.result(ref, ticket))
    root, away = lab.spool.root, lab.spool.root.with_name("away")
    root.rename(away)
    root.mkdir()
    steps: list[Callable[[], object]] = [
        lambda: publish(lab.spool, ref.folder, ticket),
        lambda: give_back(lab.spool, ref.folder, other),
        lambda: discard(lab.spool, "ns", "b", ticket),
        lambda: keep_attempt(lab.spool, "ns", "b", ticket),
    ]
    for step in steps:
        with pytest.raises(FileNotFoundError, match="the spool isn't there"):
            step()
    root.rmdir()
    away.rename(root)
    assert publish(lab.spool, ref.folder, ticket)
    assert give_back(lab.spool, ref.folder, other)


def test_a_batch_that_ended_without_its_holder_is_a_fence(lab: Lab) -> None:
    """Its ticket was given back, the job ended elsewhere, and the batch was closed."""
    ref = lab.submit("b", {"a": ""})
    ticket = lab.claim(ref, "a", "lost")
    give_back(lab.spool, ref.folder, ticket)
    lab.complete(ref, "a")
    lab.sweep()
    assert not publish(lab.spool, ref.folder, ticket)
    assert give_back(lab.spool, ref.folder, ticket) is None


def test_publishing_again_after_a_restart_is_no_fence(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    ticket = lab.claim(ref, "a")
    stage(lab.spool, lab.result(ref, ticket))
    assert publish(lab.spool, ref.folder, ticket)
    assert publish(lab.spool, ref.folder, ticket)


def test_nobody_decides_about_a_lost_result(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": ""})
    ticket = lab.claim(ref, "a")
    stage(lab.spool, lab.result(ref, ticket))
    publish(lab.spool, ref.folder, ticket)
    discard(lab.spool, "ns", "b", ticket)
    steward = lab.sweep()
    lab.clock.now_s += STUCK_S
    lab.sweep(steward)
    assert lab.tickets(ref) == {"pending": ["c~1"], "publishing": ["a~1@n1"]}
    with pytest.raises(LostResult, match=r"mv .*publishing/a~1@n1 .*pending/a~2"):
        finish(lab.spool, ref.folder, "ns", "b", ticket)


def test_a_foreign_folder_in_the_way_is_left_alone(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    archived(lab, "a").mkdir()
    archived(lab, "a", "file").write_text("somebody's")
    with pytest.raises(LostResult, match="in the way"):
        lab.complete(ref, "a")
    assert archived(lab, "a", "file").read_text() == "somebody's"
    assert lab.tickets(ref) == {"publishing": ["a~1@n1"]}
    archived(lab, "a").rename(archived(lab, "elsewhere"))
    steward = lab.sweep()
    lab.clock.now_s += STUCK_S
    lab.sweep(steward)
    check_archived(lab, "a", "a~1@n1")


# Dying anywhere


def upload(spool: Spool, lab: Lab, ref: BatchRef, ticket: Ticket) -> None:
    """What a node does with a result, from anywhere on: a restarted one begins again."""
    held = {s for s in State if str(ticket) in os.listdir(ref.folder.state(s))}
    if held == {State.CLAIMED}:
        stage(spool, lab.result(ref, ticket))
        spool.ops.flush()
    if held <= {State.CLAIMED, State.PUBLISHING} and publish(spool, ref.folder, ticket):
        finish(spool, ref.folder, "ns", "b", ticket)


def prepared(make: Make) -> tuple[Lab, BatchRef, Ticket]:
    """A job whose first attempt failed and was retried, and whose second one has just ended."""
    lab = make()
    ref = lab.submit("b", {"a": ""})
    first = lab.complete(ref, "a", Outcome.FAILED)
    assert carry_out(lab.spool, RetryRequest("ns", "b", (str(first),)), 0)
    return lab, ref, lab.claim(ref, "a", "n2")


def upload_operations(make: Make) -> int:
    lab, ref, ticket = prepared(make)
    spool = lab.reopen()
    upload(spool, lab, ref, ticket)
    count: int = spool.ops.count  # type: ignore[attr-defined]
    assert count > 8
    return count


def check_published(lab: Lab) -> None:
    ref = lab.ref("b")
    assert ref.finished
    assert lab.tickets(ref) == {"done": ["a~2@n2"]}
    check_archived(lab, "a", "a~2@n2")
    check_archived(lab, "a~1", "a~1@n1")
    assert sorted(os.listdir(archived(lab))) == ["a", "a~1", "batch.json", "job.yaml"]
    assert not [p for p in staged(lab) if "@" in p]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_node_that_dies_at_any_operation_and_comes_back(make: Make, when: str) -> None:
    for number in range(1, upload_operations(make) + 1):
        lab, ref, ticket = prepared(make)
        with pytest.raises(Crash):
            upload(lab.reopen(crash_at(when, number)), lab, ref, ticket)
        upload(lab.spool, lab, ref, ticket)
        lab.sweep()
        check_published(lab)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_published_is_finished_by_anyone(make: Make, when: str) -> None:
    """The node dies for ever: before the fence its job is run again, after it somebody rolls forward."""
    for number in range(1, upload_operations(make) + 1):
        lab, ref, ticket = prepared(make)
        with pytest.raises(Crash):
            upload(lab.reopen(crash_at(when, number)), lab, ref, ticket)
        steward = lab.sweep()
        if "claimed" in lab.tickets(lab.ref("b")):
            assert give_back(lab.spool, ref.folder, ticket)
            lab.complete(ref, "a", node="n3")
            lab.sweep()
            assert lab.tickets(lab.ref("b")) == {"done": ["a~3@n3"]}
            check_archived(lab, "a", "a~3@n3")
            check_archived(lab, "a~1", "a~1@n1")
            sweep_staging(lab.spool)
            assert not [p for p in staged(lab) if "@" in p]
            continue
        lab.clock.now_s += STUCK_S
        lab.sweep(steward)
        check_published(lab)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_steward_rolls_forward_while_the_node_does(make: Make, when: str) -> None:
    for number in range(1, upload_operations(make) + 1):
        lab, ref, ticket = prepared(make)

        def roll_forward(lab: Lab = lab, ref: BatchRef = ref, ticket: Ticket = ticket) -> None:
            if str(ticket) in os.listdir(ref.folder.state(State.PUBLISHING)):
                finish(lab.spool, ref.folder, "ns", "b", ticket)
                sweep_staging(lab.spool)

        upload(lab.reopen(once(roll_forward, number, when)), lab, ref, ticket)
        lab.sweep()
        check_published(lab)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sweep_of_staging_at_any_operation_of_an_upload(make: Make, when: str) -> None:
    for number in range(1, upload_operations(make) + 1):
        lab, ref, ticket = prepared(make)
        upload(lab.reopen(once(lambda: sweep_staging(lab.spool), number, when)), lab, ref, ticket)  # noqa: B023
        lab.sweep()
        check_published(lab)


def test_an_upload_at_any_operation_of_a_sweep_of_staging(make: Make) -> None:
    for number in range(1, 12):
        lab, ref, ticket = prepared(make)
        lost = lab.spool.layout.staging("ns", "b", Ticket("a", 1, "lost"))
        lost.mkdir(parents=True)
        sweep_staging(lab.reopen(once(lambda: upload(lab.spool, lab, ref, ticket), number)))  # noqa: B023
        upload(lab.spool, lab, ref, ticket)
        lab.sweep()
        sweep_staging(lab.spool)
        check_published(lab)


def test_staged_results_that_do_not_count_are_swept(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": "", "d": ""})
    kept = [lab.claim(ref, job) for job in ("a", "c")]
    fenced = lab.claim(ref, "d")
    for ticket in (*kept, fenced):
        stage(lab.spool, lab.result(ref, ticket))
    publish(lab.spool, ref.folder, kept[1])
    give_back(lab.spool, ref.folder, fenced)
    gone = lab.spool.layout.staging_root / "ns" / "no-such-batch" / "x~1@n"
    gone.mkdir(parents=True)
    sweep_staging(lab.spool)
    root = lab.spool.layout.staging_root / "ns"
    assert os.listdir(root) == ["b"]
    assert sorted(os.listdir(root / "b")) == ["a~1@n1", "c~1@n1"]


# Attempts that are retried


def fail_once(spool: Spool, lab: Lab, ref: BatchRef, ticket: Ticket) -> None:
    stage(spool, lab.result(ref, ticket, Outcome.FAILED))
    keep_attempt(spool, "ns", "b", ticket)
    give_back(spool, ref.folder, ticket)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_node_that_dies_while_it_keeps_an_attempt(make: Make, when: str) -> None:
    lab = make()
    ref = lab.submit("b", {"a": ""})
    spool = lab.reopen()
    fail_once(spool, lab, ref, lab.claim(ref, "a"))
    most: int = spool.ops.count  # type: ignore[attr-defined]
    for number in range(1, most + 1):
        lab = make()
        ref = lab.submit("b", {"a": ""})
        ticket = lab.claim(ref, "a")
        with pytest.raises(Crash):
            fail_once(lab.reopen(crash_at(when, number)), lab, ref, ticket)
        if os.listdir(ref.folder.state(State.CLAIMED)):
            fail_once(lab.spool, lab, ref, ticket)
        assert lab.tickets(ref) == {"pending": ["a~2"]}
        check_archived(lab, "a~1", "a~1@n1")
        assert not [p for p in staged(lab) if "@" in p]


def test_only_attempts_that_ended_with_an_error_count(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "a-1": "", "aa": ""})
    lab.complete(ref, "aa", Outcome.FAILED)
    seen = []
    for attempt in range(1, 5):
        ticket = lab.claim(ref, "a")
        assert ticket.attempt == attempt
        seen.append(count_errors(lab.spool, "ns", "b", ticket))
        if attempt % 2:
            fail_once(lab.spool, lab, ref, ticket)
        else:
            give_back(lab.spool, ref.folder, ticket)
    assert seen == [0, 1, 1, 2]


def test_a_tried_and_retried_job_keeps_every_result(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    fail_once(lab.spool, lab, ref, lab.claim(ref, "a"))
    for attempt in (2, 3):
        ticket = lab.complete(ref, "a", Outcome.FAILED)
        before = tree(archived(lab))
        assert carry_out(lab.spool, RetryRequest("ns", "b", (str(ticket),)), 0)
        assert ticket.attempt == attempt
        assert tree(archived(lab)) == before
    assert count_errors(lab.spool, "ns", "b", lab.claim(ref, "a")) == 3
    assert sorted(os.listdir(archived(lab))) == ["a", "a~1", "a~2", "batch.json", "job.yaml"]
    check_archived(lab, "a", "a~3@n1")
    check_archived(lab, "a~2", "a~2@n1")


def test_two_finishers_set_one_earlier_result_aside(make: Make) -> None:
    for number in range(1, 6):
        for when in ("before", "after"):
            lab, ref, ticket = prepared(make)
            stage(lab.spool, lab.result(ref, ticket))
            publish(lab.spool, ref.folder, ticket)

            def finish_too(lab: Lab = lab, ref: BatchRef = ref, ticket: Ticket = ticket) -> None:
                finish(lab.spool, ref.folder, "ns", "b", ticket)

            finish(lab.reopen(once(finish_too, number, when)), ref.folder, "ns", "b", ticket)
            lab.sweep()
            check_published(lab)


# What a job saves


def test_whatever_a_job_saves_is_archived_or_named(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    ticket = lab.claim(ref, "a")
    odd = "n\udcffw\nline"
    result = lab.result(
        ref,
        ticket,
        files={
            "stdout.txt": "mine",
            "saved-stdout.txt": "mine too",
            ".job.json": "{}",
            "stderr.txt/deep": "a folder of that name",
            "deep/stdout.txt": "deep",
            odd: "odd",
            "run.sh": "#!/bin/sh",
        },
    )
    (result.saved / "run.sh").chmod(0o700)
    (result.saved / "inside").symlink_to("deep/stdout.txt")
    (result.saved / "outside").symlink_to("/etc/passwd")
    (result.saved / "folder").symlink_to("deep")
    (result.saved / "loop").symlink_to("loop")
    (result.saved / "nowhere").symlink_to("missing")
    os.mkfifo(result.saved / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(result.saved / "socket"))
    record = stage(lab.spool, result)
    publish(lab.spool, ref.folder, ticket)
    finish(lab.spool, ref.folder, "ns", "b", ticket)
    texts = {name: data.decode() for name, data in tree(archived(lab, "a")).items() if name != ".job.json"}
    assert texts == {
        "stdout.txt": "stdout of a~1@n1\n",
        "stderr.txt": "",
        "saved-stdout.txt": "mine",
        "saved-saved-stdout.txt": "mine too",
        "saved-.job.json": "{}",
        "saved-stderr.txt/deep": "a folder of that name",
        "deep/stdout.txt": "deep",
        "inside": "deep",
        odd: "odd",
        "run.sh": "#!/bin/sh",
    }
    assert record_of(lab) == record
    assert {f.path for f in record.files} == set(texts)
    assert [s.split(": ")[0] for s in record.skipped] == [
        "folder",
        "loop",
        "nowhere",
        "outside",
        "pipe",
        "socket",
    ]
    assert archived(lab, "a", "run.sh").stat().st_mode & 0o777 == 0o755
    assert archived(lab, "a", "inside").stat().st_mode & 0o777 == 0o644


@needs_root
def test_what_may_not_be_read_is_named(fast_folder: Path) -> None:
    os.chown(fast_folder, NOBODY, NOBODY)

    def work() -> None:
        lab = make_lab(fast_folder)
        ref = lab.submit("b", {"a": ""})
        ticket = lab.claim(ref, "a")
        result = lab.result(ref, ticket, files={"closed/file": "x", "secret": "y", "out.txt": "z"})
        (result.saved / "closed").chmod(0)
        (result.saved / "secret").chmod(0)
        record = stage(lab.spool, result)
        assert [f.path for f in record.files] == ["stdout.txt", "stderr.txt", "out.txt"]
        assert record.skipped == ("secret: it may not be read", "closed: permission denied")

    as_user(NOBODY, work)


def test_a_save_folder_that_became_a_link_is_not_followed(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    ticket = lab.claim(ref, "a")
    result = lab.result(ref, ticket, files={})
    elsewhere = lab.scratch / "elsewhere"
    result.saved.rename(elsewhere)
    result.saved.symlink_to(elsewhere)
    record = stage(lab.spool, result)
    assert [f.path for f in record.files] == ["stdout.txt", "stderr.txt"]
    assert record.skipped == ("distribute_save: it was replaced by a link",)


segments = st.sampled_from(["stdout.txt", "stderr.txt", ".job.json", "x", "saved-", "saved-x"]) | st.builds(
    "saved-{}".format, st.sampled_from(["stdout.txt", "saved-stderr.txt", "saved-saved-.job.json"])
)
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)


@given(paths, paths)
def test_no_two_saved_files_get_one_name_and_none_gets_ours(one: str, other: str) -> None:
    assert archived_name(one).partition("/")[0] not in {"stdout.txt", "stderr.txt", ".job.json"}
    assert (archived_name(one) == archived_name(other)) == (one == other)


def test_a_large_file_is_hashed_whole(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    ticket = lab.claim(ref, "a")
    result = lab.result(ref, ticket)
    data = os.urandom(1 << 20) * 3 + b"end"
    (result.saved / "large").write_bytes(data)
    record = stage(lab.spool, result)
    (entry,) = [f for f in record.files if f.path == "large"]
    assert (entry.size_bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())

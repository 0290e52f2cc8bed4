"""The outbox: a notice an end, whoever puts it and however often; where it lies is its state."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace

import pytest

from spoold.checking import Kind, check
from spoold.codec import encode
from spoold.notices import outbox
from spoold.notices.records import Box, Notice
from spoold.records import Outcome, RetryRequest
from tests.spool.lab import Lab, as_user, job_file

NOTICE = Notice("0" * 32, "ns", "b", "drop-1", 1, "@anna:lab.test", 5.0)


def number(count: int) -> Notice:
    return replace(NOTICE, id=f"{count:032x}")


def waiting(lab: Lab) -> list[Notice]:
    return outbox.read_all(lab.spool, Box.WAITING)


def end_batch(lab: Lab, outcome: Outcome = Outcome.DONE) -> None:
    lab.drop("b.yaml", job_file("b", {"j": ""}, "matrix: '@anna:lab.test'"))
    lab.sweep()
    lab.complete(lab.ref("b"), "j", outcome)
    lab.sweep()


def test_a_batch_that_ends_leaves_one_notice(lab: Lab) -> None:
    end_batch(lab)
    (notice,) = waiting(lab)
    assert (notice.key, notice.matrix, notice.attempts, notice.tries) == ("ns/b", "@anna:lab.test", 1, 0)
    lab.sweep()
    assert waiting(lab) == [notice]


def test_a_batch_that_is_retried_and_ends_again_leaves_another(lab: Lab) -> None:
    end_batch(lab, Outcome.FAILED)
    request = encode(RetryRequest("ns", "b", ("j~1@n1",)))
    (lab.spool.layout.incoming / "r.retry").write_bytes(request)
    lab.sweep()
    lab.complete(lab.ref("b"), "j")
    lab.sweep()
    assert sorted(notice.attempts for notice in waiting(lab)) == [1, 2]


def test_a_notice_is_put_once(lab: Lab) -> None:
    outbox.put(lab.spool, NOTICE)
    outbox.note(lab.spool, replace(NOTICE, tries=3))
    outbox.put(lab.spool, replace(NOTICE, ended_at=9.0))
    assert waiting(lab) == [replace(NOTICE, tries=3)]
    assert lab.private() == []


def test_a_notice_that_a_power_failure_cut_is_put_again(lab: Lab) -> None:
    outbox.put(lab.spool, NOTICE)
    (lab.spool.layout.notices("waiting") / NOTICE.name).write_bytes(b"")
    outbox.put(lab.spool, NOTICE)
    assert waiting(lab) == [NOTICE]


def test_what_was_sent_or_given_up_has_ended(lab: Lab) -> None:
    for count, box in ((1, Box.SENT), (2, Box.FAILED)):
        outbox.put(lab.spool, number(count))
        assert number(count).name not in outbox.list_ended(lab.spool)
        outbox.end(lab.spool, number(count), box)
        outbox.end(lab.spool, number(count), box)
        assert number(count).name in outbox.list_ended(lab.spool)
        assert outbox.list_names(lab.spool, box) == [number(count).name]
    assert waiting(lab) == []


def test_the_newest_of_those_that_were_sent_are_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(outbox._KEPT, Box.SENT, 3)
    for count in range(7):
        outbox.put(lab.spool, number(count))
        path = lab.spool.layout.notices("waiting") / number(count).name
        os.utime(path, (count, count))
        outbox.end(lab.spool, number(count), Box.SENT)
    assert outbox.list_names(lab.spool, Box.SENT) == [number(count).name for count in (4, 5, 6)]


def test_strange_names_and_contents_are_left_alone_and_told(lab: Lab) -> None:
    outbox.put(lab.spool, NOTICE)
    folder = lab.spool.layout.notices("waiting")
    (folder / "README").write_text("what is this?")
    (folder / number(7).name).write_text("{}")
    (lab.spool.layout.outbox / "more").mkdir()
    assert waiting(lab) == [NOTICE]
    found = {(one.path.name, one.kind) for one in check(lab.spool, wait=lambda _: None)}
    assert found == {("README", Kind.UNKNOWN), (number(7).name, Kind.UNREADABLE), ("more", Kind.UNKNOWN)}


def test_what_nobody_was_told_is_a_note_of_fsck_with_the_way_to_try_again(lab: Lab) -> None:
    outbox.put(lab.spool, NOTICE)
    outbox.give_up(lab.spool, NOTICE, "there is no user @anna:lab.test")
    (found,) = check(lab.spool, wait=lambda _: None)
    assert found.kind is Kind.NOTICE_FAILED
    assert "there is no user" in found.what
    subprocess.run(shlex.split(found.next.partition(": ")[2]), check=True)
    assert [notice.name for notice in waiting(lab)] == [NOTICE.name]
    assert outbox.list_ended(lab.spool) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="works as another user, which only root may")
def test_nobody_else_can_put_or_remove_a_notice(lab: Lab) -> None:
    end_batch(lab)
    (notice,) = waiting(lab)
    folder = lab.spool.layout.notices("waiting")

    def forge() -> None:
        for act in (lambda: (folder / "x").touch(), (folder / notice.name).unlink):
            with pytest.raises(PermissionError):
                act()

    as_user(65534, forge)

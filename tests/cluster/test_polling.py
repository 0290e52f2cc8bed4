"""The one poll that all jobs share: how often it asks, and that nobody is held up by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

import pytest

from cluster.engines.polling import SharedPoll
from cluster.engines.protocol import Poll


def test_a_queue_that_hangs_holds_nobody_up_for_longer_than_he_wants() -> None:
    let_go = threading.Event()

    def hang(job_ids: Collection[str]) -> Poll:
        let_go.wait(30)
        return Poll(True, frozenset(job_ids))

    polls = SharedPoll(hang, 2.0)
    polls.watch(["1"])
    began_s = time.monotonic()
    assert polls.look(0.1) == polls.look(0.0) == Poll(True)
    assert time.monotonic() - began_s < 5
    let_go.set()
    assert polls.look(30).asked == {"1"}


def test_threads_that_look_at_once_share_one_question() -> None:
    asked: list[frozenset[str]] = []
    answer = threading.Event()

    def ask(job_ids: Collection[str]) -> Poll:
        asked.append(frozenset(job_ids))
        answer.wait(30)
        return Poll(True, frozenset(job_ids))

    polls = SharedPoll(ask, 60.0)
    seen: list[Poll] = []
    threads = [threading.Thread(target=lambda: seen.append(polls.look(30))) for _ in range(8)]
    for thread in threads:
        thread.start()
    answer.set()
    for thread in threads:
        thread.join(30)
    assert (len(asked), len(seen)) == (1, 8)


def test_an_error_reaches_who_asked_and_the_next_look_asks_again() -> None:
    answers = iter([ValueError("odd"), Poll(True)])

    def ask(job_ids: Collection[str]) -> Poll:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    polls = SharedPoll(ask, 2.0)
    with pytest.raises(ValueError, match="odd"):
        polls.look(30)
    assert polls.look(30).answered

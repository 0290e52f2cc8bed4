"""What is told: counts, the slowest jobs, those that failed with their last words, and what to type."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from spoold.notices.records import make_notice
from spoold.notices.rendering import render
from spoold.notices.summary import LINES_MAX, Summary, end_of, last_lines, summarise, with_stderr
from spoold.records import BatchHeader, EndedBy, JobRecord, Outcome
from spoold.tickets import State, Ticket

HEADER = BatchHeader(
    1, "drop-1", "ns", "b", "command", "anna", 1000, 10.0, "b.yaml", 2, matrix="@anna:lab.test"
)


def job(
    name: str, outcome: Outcome, wall_s: float, ending: EndedBy = EndedBy.EXIT, reason: str = ""
) -> tuple[State, Ticket, JobRecord]:
    ticket = Ticket(name, 1, "alpha")
    record = JobRecord(
        "ns", "b", name, 1, "alpha", outcome, reason, 1.0, 1.0 + wall_s, wall_s, exit_code=1, ending=ending
    )
    return State(outcome.value), ticket, record


def summary_of(
    jobs: list[tuple[State, Ticket, JobRecord | None]], tails: dict[str, bytes] | None = None
) -> Summary:
    latest = {ticket.job: (state, ticket) for state, ticket, _ in jobs}
    notice = make_notice(HEADER, latest, 3610.0)
    ends = [end_of(state, ticket, record, "it never ran") for state, ticket, record in jobs]
    return with_stderr(summarise(notice, HEADER, "/spool", ends), tails or {})


def test_a_batch_that_went_well() -> None:
    message = render(
        summary_of([job("a", Outcome.DONE, 60), job("b", Outcome.DONE, 3600), job("c", Outcome.DONE, 5)])
    )
    assert message.text == (
        "ns/b has ended after 1h: 3 done\n"
        "Slowest: b 1h on alpha, a 1m on alpha, c 5s on alpha\n"
        "Fetch the results: distribute pull ns/b"
    )
    assert "<b>ns/b</b> has ended after 1h: 3 done" in message.html


def test_how_jobs_failed_is_told_with_their_last_words() -> None:
    jobs = [
        job("good", Outcome.DONE, 9),
        job("big", Outcome.FAILED, 61, EndedBy.OUT_OF_MEMORY, "out of memory"),
        (State.CANCELLED, Ticket("never", 1), None),
    ]
    message = render(summary_of(jobs, {"big": b"reading\nno room\n"}))
    lines = message.text.splitlines()
    assert lines[0] == "ns/b has ended after 1h: 1 done, 1 failed, 1 cancelled (1 by out-of-memory)"
    assert lines[1:4] == ["- big failed on alpha after 1m1s: out of memory", "    reading", "    no room"]
    assert "<pre><code>reading\nno room\n</code></pre>" in message.html


def test_what_a_job_printed_is_no_markup_and_steers_nothing() -> None:
    tail = b"<script>alert(1)</script> & \x1b[31mred\x1b[0m \x1b]0;title\x07end \xe2\x80\xae!\x00\xff"
    message = render(summary_of([job("x", Outcome.FAILED, 1, reason="<b>")], {"x": tail}))
    assert "<script>" not in message.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; red end !" in message.html
    assert "<script>alert(1)</script> & red end !" in message.text


def test_many_failures_are_counted_and_the_first_few_told() -> None:
    jobs = [job(f"j{number:03}", Outcome.FAILED, 1) for number in range(200)]
    tails = {ticket.job: b"x" * 5000 + b"\n" * 5000 + b"y\n" * 5000 for _, ticket, _ in jobs}
    message = render(summary_of(jobs, tails))
    assert "- and 195 more failed" in message.text
    assert len(message.text) < 8000 and len(message.html) < 16000


@given(st.binary(max_size=3000))
def test_any_output_becomes_few_clean_lines(tail: bytes) -> None:
    lines = last_lines(tail)
    assert len(lines) <= LINES_MAX
    assert all(line.isprintable() and len(line) <= 200 for line in lines)


@given(st.text(max_size=60))
def test_any_reason_reads_in_html_as_it_was_written(reason: str) -> None:
    summary = summary_of([job("x", Outcome.FAILED, 1, reason=reason)])
    shown = html.unescape(re.sub(r"</?(?:p|b|ul|li|code|pre)>", "", render(summary).html))
    assert summary.failed[0].reason in shown


def test_a_record_of_an_earlier_attempt_tells_nothing_of_this_one() -> None:
    _, _, record = job("x", Outcome.FAILED, 100)
    end = end_of(State.CANCELLED, Ticket("x", 2), record, "it was cancelled before it ran")
    assert (end.wall_s, end.reason, end.node) == (0.0, "it was cancelled before it ran", None)

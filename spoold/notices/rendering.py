"""A summary as a message: plain text, and the HTML that Matrix knows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from distribute_compute_config.quantities import format_duration
from spoold.notices.summary import JobEnd, Summary
from spoold.tickets import State


@dataclass(frozen=True, slots=True)
class Message:
    """A message in its two forms."""

    text: str
    html: str


def render(summary: Summary) -> Message:
    """The message for people."""
    if summary.event == "test":
        text = "This is a test of the notices of distribute. If you read it, they reach you."
        return Message(text, f"<p>{escape(text)}</p>")
    return Message("\n".join(_text_lines(summary)), "".join(_html_parts(summary)))


def _text_lines(summary: Summary) -> Iterator[str]:
    yield f"{summary.key} {_tell_end(summary)}"
    for one in summary.failed:
        yield f"- {_tell_failure(one)}"
        yield from (f"    {line}" for line in one.stderr)
    if more := _count_more(summary):
        yield f"- {more}"
    if slowest := _tell_slowest(summary):
        yield slowest
    yield f"Fetch the results: {summary.pull}"


def _html_parts(summary: Summary) -> Iterator[str]:
    yield f"<p><b>{escape(summary.key)}</b> {escape(_tell_end(summary))}</p>"
    items = [_html_failure(one) for one in summary.failed]
    if more := _count_more(summary):
        items.append(escape(more))
    if items:
        yield f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"
    if slowest := _tell_slowest(summary):
        yield f"<p>{escape(slowest)}</p>"
    yield f"<p>Fetch the results: <code>{escape(summary.pull)}</code></p>"


def _html_failure(one: JobEnd) -> str:
    lines = "\n".join(map(escape, one.stderr))
    return escape(_tell_failure(one)) + (f"<pre><code>{lines}\n</code></pre>" if lines else "")


def _tell_end(summary: Summary) -> str:
    counts = [f"{summary.counts[state]} {state}" for state in summary.counts if summary.counts[state]]
    # How a job ends that is done needs no words.
    endings = [f"{number} by {ending}" for ending, number in summary.endings.items() if ending != "exit"]
    detail = f" ({', '.join(endings)})" if endings else ""
    return f"has ended after {_duration(summary.wall_s)}: {', '.join(counts)}{detail}"


def _tell_failure(one: JobEnd) -> str:
    where = f" on {one.node}" if one.node else ""
    after = f" after {_duration(one.wall_s)}" if one.wall_s else ""
    return f"{one.job} failed{where}{after}{': ' if one.reason else ''}{one.reason}"


def _count_more(summary: Summary) -> str:
    more = summary.counts[State.FAILED.value] - len(summary.failed)
    return f"and {more} more failed" if more else ""


def _tell_slowest(summary: Summary) -> str:
    if summary.jobs < 2 or not summary.slowest:
        return ""
    jobs = [
        f"{one.job} {_duration(one.wall_s)}{f' on {one.node}' if one.node else ''}" for one in summary.slowest
    ]
    return f"Slowest: {', '.join(jobs)}"


def _duration(duration_s: float) -> str:
    return format_duration(max(1, round(duration_s)))

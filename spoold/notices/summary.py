"""What is told of a batch that has ended, and what a ``notify.command`` gets as JSON. Pure."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from spoold.notices.records import Notice
from spoold.records import BatchHeader, EndedBy, JobRecord
from spoold.tickets import TERMINAL, State, Ticket

FAILED_MAX, SLOWEST_MAX = 5, 3
LINES_MAX = 10
_LINE_CHARACTERS_MAX, _TOLD_CHARACTERS_MAX = 200, 600
#: What terminals obey: colours, titles, moves of the cursor.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended. ``node``, ``exit_code``, ``signal`` and ``ending`` are None where it never ran.

    ``stderr`` has the last lines of its error output, and only of a job that failed.
    """

    job: str
    state: State
    attempt: int
    node: str | None = None
    ending: EndedBy | None = None
    exit_code: int | None = None
    signal: int | None = None
    wall_s: float = 0.0
    reason: str = ""
    stderr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A batch that has ended. Times in Unix seconds, durations in seconds.

    ``event`` is ``batch-ended``, or ``test`` where somebody tries out the way. ``id`` is the notice's: who
    gets the same one again has been told already. ``counts`` are jobs by state, ``endings`` by what ended
    them. ``failed`` and ``slowest`` are the first few, ``pull`` is what to type to fetch the results.
    """

    event: str
    id: str
    namespace: str
    batch: str
    submitter: str
    matrix: str | None
    spool: str
    submitted_at: float
    ended_at: float
    wall_s: float
    jobs: int
    counts: dict[str, int]
    endings: dict[str, int]
    failed: tuple[JobEnd, ...]
    slowest: tuple[JobEnd, ...]
    pull: str

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.batch}"


def end_of(state: State, ticket: Ticket, record: JobRecord | None, reason: str) -> JobEnd:
    """How a job ended, by its ticket and its record; ``reason`` is for where there is no record."""
    if record is None or record.attempt != ticket.attempt:
        return JobEnd(ticket.job, state, ticket.attempt, ticket.node, reason=clean_line(reason))
    return JobEnd(
        ticket.job,
        state,
        ticket.attempt,
        record.node,
        record.ending,
        record.exit_code,
        record.signal,
        record.wall_s,
        clean_line(record.reason),
    )


def summarise(notice: Notice, header: BatchHeader, spool: str, ends: list[JobEnd]) -> Summary:
    """What to tell; the lines of stderr are still missing."""
    states = Counter(one.state for one in ends)
    endings = Counter(one.ending for one in ends if one.ending)
    failed = sorted((one for one in ends if one.state is State.FAILED), key=lambda one: one.job)
    ran = sorted((one for one in ends if one.wall_s > 0), key=lambda one: (-one.wall_s, one.job))
    return Summary(
        "batch-ended",
        notice.id,
        notice.namespace,
        notice.batch,
        clean_line(header.submitter),
        notice.matrix,
        spool,
        header.submitted_at,
        notice.ended_at,
        max(0.0, notice.ended_at - header.submitted_at),
        len(ends),
        {state.value: states[state] for state in State if state in TERMINAL},
        {ending.value: endings[ending] for ending in EndedBy if endings[ending]},
        tuple(failed[:FAILED_MAX]),
        tuple(ran[:SLOWEST_MAX]),
        shlex.join(["distribute", "pull", f"{notice.namespace}/{notice.batch}"]),
    )


def make_test(id: str, to: str, now: float) -> Summary:
    """What is told to somebody who wants to see whether it reaches them."""
    counts = {state.value: 0 for state in State if state in TERMINAL}
    return Summary("test", id, "", "", "", to, "", now, now, 0.0, 0, counts, {}, (), (), "")


def with_stderr(summary: Summary, tails: Mapping[str, bytes]) -> Summary:
    """With the last lines of what failed jobs wrote; ``tails`` has the ends of their files, by job."""
    failed = (replace(one, stderr=last_lines(tails.get(one.job, b""))) for one in summary.failed)
    return replace(summary, failed=tuple(failed))


def last_lines(tail: bytes) -> tuple[str, ...]:
    """The last lines of some output, few and short, without anything that steers a terminal."""
    text = _ESCAPES.sub("", tail.decode(errors="replace"))
    # A progress bar writes over its own line: its last state counts.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    shown = [clean_line(line.expandtabs(4)) for line in lines]
    return tuple([line for line in shown if line.strip()][-LINES_MAX:])


def tell_line(text: str) -> str:
    """A text of several lines as one line of bounded length."""
    return clean_line(" ".join(text.split()), _TOLD_CHARACTERS_MAX)


def clean_line(text: str, most: int = _LINE_CHARACTERS_MAX) -> str:
    """One line of bounded length; control characters and what turns the direction of writing are left out."""
    printable = "".join(c for c in text if c.isprintable())
    return printable if len(printable) <= most else f"{printable[: most - 1]}…"

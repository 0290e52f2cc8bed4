"""What the history tells of a violation: the lines of its job, and of the nodes that held it meanwhile. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests.chaotic.history import Event
from tests.chaotic.work import NAMESPACE

#: So many violations are told with their lines; of one mistake come many.
_MOST = 20
_BATCH = re.compile(rf"{NAMESPACE}/\w+")
_JOB = re.compile(r"\bj\d+")
_HOLDER = re.compile(r"@([\w.-]+)")


def explain(findings: Sequence[str], events: Sequence[Event]) -> Iterator[str]:
    """Each violation, and below it what was seen and done of its job."""
    for number, finding in enumerate(findings):
        yield finding
        lines = about(finding, events) if number < _MOST else []
        yield from (f"    {event.line}" for event in lines)


def about(finding: str, events: Sequence[Event]) -> list[Event]:
    """The events of the jobs that it names, or of their batch if it names none, and of their nodes."""
    batches, jobs = set(_BATCH.findall(finding)), set(_JOB.findall(finding))
    own = [event for event in events if any(_tells(event, batch, jobs) for batch in batches)]
    if not own:
        return []
    holders = {holder for event in own for holder in _HOLDER.findall(event.subject)}
    first, last = own[0].at, own[-1].at
    return [e for e in events if e in own or (e.subject in holders and first <= e.at <= last)]


def _tells(event: Event, batch: str, jobs: set[str]) -> bool:
    named = re.findall(rf"{re.escape(batch)}\b(?:/(j\d+))?", f"{event.subject} {event.detail}")
    return any(not job or not jobs or job in jobs for job in named)

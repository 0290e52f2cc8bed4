"""The overview of a spool as tables."""

from __future__ import annotations

from collections.abc import Iterator

from distribute_cli.output import Line, Part, Table
from distribute_cli.reports.overview import BatchLine, Overview, RunningOn, WaitingDrop
from distribute_cli.words import say_duration, say_time

_LIVE = ("BATCH", "BY", "AGE", "JOBS", "WAITING", "RUNNING", "DONE", "FAILED", "CANCELLED", "ON")
_FINISHED = ("FINISHED", "BY", "ENDED", "JOBS", "DONE", "FAILED", "CANCELLED")
#: So many characters of a rejected name, and of why; the rest stands in the reason file.
_SHOWN_MAX = 120
_NUMBERS = ("JOBS", "WAITING", "RUNNING", "DONE", "FAILED", "CANCELLED")


def draw_overview(overview: Overview) -> Iterator[Part]:
    """Batches with work, finished ones, the drop box, what was rejected; what is empty is left out."""
    rows = [_live(batch, overview.at) for batch in overview.batches]
    sections: list[list[Part]] = [
        [Table(_LIVE, rows, _NUMBERS)] if rows else [],
        list(_draw_finished(overview)),
        list(_draw_drops(overview)),
        [Line(f"trouble: {text}", "red") for text in overview.troubles],
    ]
    filled = [section for section in sections if section]
    if not filled:
        yield Line("nothing is here yet; submit a batch with: distribute add JOBFILE")
    for index, section in enumerate(filled):
        if index:
            yield Line("")
        yield from section


def _draw_finished(overview: Overview) -> Iterator[Part]:
    if overview.finished:
        yield Table(_FINISHED, [_finished(batch, overview.at) for batch in overview.finished], _NUMBERS)
    if overview.finished_more:
        yield Line(f"and {overview.finished_more} more; see them with --all")


def _draw_drops(overview: Overview) -> Iterator[Part]:
    if overview.incoming:
        rows = [
            (drop.name, drop.submitter, f"{say_duration(overview.at - drop.dropped_at)} ago", _note(drop))
            for drop in overview.incoming
        ]
        yield Table(("INCOMING", "BY", "DROPPED", "NOTE"), rows)
    if overview.rejected:
        yield Table(("REJECTED", "WHY"), [(_cut(one.name), _cut(one.reason)) for one in overview.rejected])
        more = f"; {overview.rejected_more} more" if overview.rejected_more else ""
        yield Line(f"whole reasons are in {overview.spool}/rejected/{more}")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"


def _note(drop: WaitingDrop) -> str:
    return f"left alone: {drop.ignored}" if drop.ignored else ""


def _live(batch: BatchLine, now: float) -> tuple[str, ...]:
    counts = batch.counts
    numbers = (counts.total, counts.waiting, counts.running, counts.done, counts.failed, counts.cancelled)
    age = say_duration(now - batch.submitted_at)
    return (batch.key, batch.submitter, age, *map(str, numbers), ", ".join(map(_where, batch.running_on)))


def _finished(batch: BatchLine, now: float) -> tuple[str, ...]:
    counts = batch.counts
    numbers = (counts.total, counts.done, counts.failed, counts.cancelled)
    return (batch.key, batch.submitter, say_time(batch.ended_at or 0.0, now), *map(str, numbers))


def _where(place: RunningOn) -> str:
    paused = f" ({place.paused} paused)" if place.paused else ""
    return f"{place.node}: {place.jobs}{paused}"

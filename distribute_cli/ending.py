"""Waiting for a batch to end, with a bar that counts its jobs."""

from __future__ import annotations

from dataclasses import dataclass

from distribute_cli.errors import NotFound
from distribute_cli.output import make_progress
from distribute_cli.reports.overview import Counts
from spoold.polling import FOR_EVER_S, poll
from spoold.progress import read_progress
from spoold.spool import Spool


@dataclass(frozen=True, slots=True)
class _Look:
    counts: Counts
    jobs_total: int
    finished: bool


def describe(counts: Counts) -> str:
    """``3 done``, ``2 done, 1 failed``; what has no jobs isn't named."""
    parts = [(counts.done, "done"), (counts.failed, "failed"), (counts.cancelled, "cancelled")]
    return ", ".join(f"{number} {word}" for number, word in parts if number) or "no job has ended"


def wait_for_end(spool: Spool, namespace: str, batch: str) -> Counts:
    """Show progress until the batch has ended; returns how. Raises NotFound if it isn't there."""
    with make_progress(unit_is_bytes=False) as progress:
        bar = progress.add_task(f"{namespace}/{batch}", total=None)

        def look() -> Counts | None:
            seen = _look(spool, namespace, batch)
            text = f"{namespace}/{batch}: {seen.counts.running} running"
            if seen.counts.failed:
                text += f", {seen.counts.failed} failed"
            progress.update(bar, description=text, total=seen.jobs_total, completed=seen.counts.ended)
            return seen.counts if seen.finished else None

        ended = poll(look, FOR_EVER_S)
    assert ended is not None
    return ended


def _look(spool: Spool, namespace: str, batch: str) -> _Look:
    seen = read_progress(spool, namespace, batch)
    if seen is None:
        raise NotFound(
            f"there is no batch {namespace}/{batch} any more", f"in {spool.root}", "see: distribute status"
        )
    counts = Counts(**{state.value: number for state, number in seen.counts.items()})
    return _Look(counts, seen.jobs_total, seen.closed)

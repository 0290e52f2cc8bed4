"""Ending a run so that another node can do its job: how long it may save what it has, and that it was so.

That an eviction has begun stands in the run's folder, so that the next daemon goes through with it, and no
end that it brings about is taken for an error of the job.
"""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from nodewatch.folders import replace_text
from spoold.records import JobSpec

#: How the reason of every eviction begins.
EVICTED = "evicted: "
_NAME = "evicted.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a job asks for before it is evicted: a signal, and seconds to write a checkpoint."""

    signum: signal.Signals
    grace_s: float


@dataclass(frozen=True, slots=True)
class Eviction:
    """One that has begun. At ``ends_s`` (seconds of ``CLOCK_BOOTTIME``) the job is told to end."""

    reason: str
    ends_s: float


def plan_checkpoint(job: JobSpec, most_s: float) -> Checkpoint | None:
    """What ``job`` gets from an owner who grants ``most_s`` seconds; None: it is told to end at once."""
    try:
        signum = signal.Signals[job.on_evict or ""]
    except KeyError:
        return None
    return Checkpoint(signum, most_s if job.evict_grace_s is None else min(job.evict_grace_s, most_s))


def read_eviction(run_dir: Path) -> Eviction | None:
    """None if none has begun. Raises OSError."""
    try:
        fields = json.loads((run_dir / _NAME).read_text())
        return Eviction(str(fields["reason"]), float(fields["ends_s"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # Torn by a crash of the machine, which ended the run too.
        return None


def note_eviction(run_dir: Path, eviction: Eviction) -> None:
    """Before anything is done to the run. Raises OSError."""
    replace_text(run_dir / _NAME, json.dumps(asdict(eviction)))

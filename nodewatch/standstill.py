"""How long a run has stood still, kept in its folder, so that a time limit need not count it.

Seconds are those of ``CLOCK_BOOTTIME``: one clock for all daemons of a boot, and no run outlives a boot.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from nodewatch.folders import replace_text

_NAME = "paused.json"


@dataclass(frozen=True, slots=True)
class Standstill:
    """``total_s`` in pauses that are over; ``since_s`` is when the present one began, None outside of one."""

    total_s: float = 0.0
    since_s: float | None = None

    def begin(self, now_s: float) -> Standstill:
        return Standstill(self.total_s, now_s if self.since_s is None else self.since_s)

    def end(self, now_s: float) -> Standstill:
        return Standstill(self.lasted_s(now_s))

    def lasted_s(self, now_s: float) -> float:
        """Seconds in pauses until ``now_s``; it never gets less."""
        return self.total_s + (0.0 if self.since_s is None else max(0.0, now_s - self.since_s))


def read_standstill(run_dir: Path) -> Standstill:
    """What an earlier daemon noted; a record that is none, as after a full disk, counts as no pause."""
    try:
        return _parse((run_dir / _NAME).read_text())
    except (OSError, ValueError):
        return Standstill()


def note_standstill(run_dir: Path, standstill: Standstill) -> None:
    """Raises OSError: the disk is full, or somebody removed the folder."""
    replace_text(run_dir / _NAME, json.dumps(asdict(standstill)))


def _parse(text: str) -> Standstill:
    """Raises ValueError."""
    try:
        fields = json.loads(text)
        since_s = fields["since_s"]
        return Standstill(float(fields["total_s"]), None if since_s is None else float(since_s))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a record of pauses: {error!r}") from error

"""How long a job has run, pauses left out, and when that is too long.

Its time is wall time on the monotonic clock, which all processes of a boot share: neither a change of the
time of day nor a suspended machine counts, and a daemon needs to write down nothing but the pauses.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from distribute_compute_config.quantities import format_duration
from nodewatch.folders import replace_text
from nodewatch.process import Limits, Run

_log = logging.getLogger(__name__)

TIME_LIMIT = "time limit"
_FILE = "pauses.json"


@dataclass(frozen=True, slots=True)
class RunClock:
    """When a run began, how long it was paused before, and since when it is; monotonic seconds. Pure."""

    begin_s: float
    paused_s: float = 0.0
    paused_since_s: float | None = None

    def observe(self, paused: bool, now_s: float) -> RunClock:
        """The clock after a look at ``now_s``."""
        if paused == (self.paused_since_s is not None):
            return self
        if self.paused_since_s is None:
            return replace(self, paused_since_s=now_s)
        return replace(self, paused_s=self.all_paused_s(now_s), paused_since_s=None)

    def used_s(self, now_s: float) -> float:
        return now_s - self.begin_s - self.all_paused_s(now_s)

    def all_paused_s(self, now_s: float) -> float:
        return self.paused_s + (0.0 if self.paused_since_s is None else now_s - self.paused_since_s)

    def to_json(self) -> str:
        """For the next daemon, which knows when the run began."""
        return json.dumps({"paused_s": self.paused_s, "paused_since_s": self.paused_since_s})

    @classmethod
    def from_json(cls, text: str, begin_s: float, now_s: float) -> RunClock:
        """Raises ValueError if ``text`` is something else: a job can write there.

        No pause is longer than the run, so its time never runs backwards.
        """
        try:
            fields = json.loads(text)
            since_s = fields["paused_since_s"]
            clock = cls(begin_s, float(fields["paused_s"]), None if since_s is None else float(since_s))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the pauses of a run: {error!r}") from error
        if not 0 <= clock.all_paused_s(now_s) <= now_s - begin_s or clock.paused_s < 0:
            raise ValueError("pauses that are longer than the run")
        return clock


class TimeKeeper:
    """Keeps the clock of one run in its folder, and says once when its time is over."""

    def __init__(self, run: Run, limits: Limits, now_s: float) -> None:
        self._limit_s = limits.time_s
        self._file = run.run_dir / _FILE
        self._clock = _read(self._file, run.begin_s, now_s)
        self._said = False

    @property
    def paused(self) -> bool:
        """Whether a pause has begun and not ended, be it by an earlier daemon."""
        return self._clock.paused_since_s is not None

    def paused_s(self, now_s: float) -> float:
        """Seconds in pauses until ``now_s``; it never gets less."""
        return self._clock.all_paused_s(now_s)

    def note(self, paused: bool, now_s: float) -> None:
        """The run stands still from now on, or goes on. Raises OSError if that can't be written down."""
        clock = self._clock.observe(paused, now_s)
        if clock != self._clock:
            self._clock = clock
            replace_text(self._file, clock.to_json())

    def overdue(self, now_s: float) -> str:
        """Why the run must be ended; empty if it needn't."""
        if self._said or self._limit_s is None or self._clock.used_s(now_s) <= self._limit_s:
            return ""
        self._said = True
        return explain_time(self._limit_s, self._clock.all_paused_s(now_s))


def explain_time(limit_s: float, paused_s: float) -> str:
    """What the runner is told, and what the submitter reads. Pure."""
    aside = f", {round(paused_s)} s of pause left out" if paused_s >= 1 else ""
    more = f"ask for more with resources: {{time: {format_duration(2 * limit_s)}}}"
    return f"{TIME_LIMIT}: it ran for longer than {format_duration(limit_s)}{aside}; {more}"


def _read(file: Path, begin_s: float, now_s: float) -> RunClock:
    try:
        return RunClock.from_json(file.read_text(), begin_s, now_s)
    except FileNotFoundError:
        return RunClock(begin_s)
    except (OSError, ValueError) as error:
        _log.warning("%s is ignored: %s", file, error)
        return RunClock(begin_s)

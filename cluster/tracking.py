"""Following one job, or the tasks of one array, from its submission to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cluster.engines.polling import SharedPoll
from cluster.engines.protocol import Poll
from cluster.records import QueueJob
from cluster.settling import CANCELLED, GIVEN_UP, Standing, combine, settle
from cluster.states import JobState

#: NFS may hide a new file for a minute; only then is a job without a trace given up.
GIVE_UP_S = 120.0
#: An id that a person gave may be wrong; a queue shows a new job within a second.
UNKNOWN_ID_S = 5.0

_SUBMITTED = Standing(JobState.PENDING, None, "submitted")


class Tracker:
    """How a job stands, by its parts: itself, or the tasks of an array.

    ``marks`` maps the id of each part to the file that its job file writes the exit code to, or to None.
    ``cancelled`` is set when somebody cancelled it. Once a part has ended it is asked about no more.
    """

    def __init__(
        self,
        polls: SharedPoll,
        marks: Mapping[str, Path | None],
        give_up_s: float = GIVE_UP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.standing = _SUBMITTED
        self.seen: dict[str, QueueJob] = {}
        self.parts = dict.fromkeys(marks, _SUBMITTED)
        self._polls = polls
        self._marks = marks
        self._give_up_s = give_up_s
        self._clock = clock
        self._silent_since: dict[str, float] = {}
        self.cancelled = False
        polls.watch(marks.keys())

    def update(self, within_s: float | None = None) -> Standing:
        """Look at the queue, for ``within_s`` seconds at most if it is slow; returns how the job stands."""
        if not self.standing.state.is_ended:
            self._apply(self._polls.look(within_s))
            self.standing = combine(list(self.parts.values()))
        return self.standing

    def end(self, standing: Standing) -> None:
        """It is known otherwise how the job ended: nobody is asked any more."""
        self.standing = standing
        self._polls.forget(self._marks.keys())

    def _apply(self, poll: Poll) -> None:
        self.seen.update({one: poll.jobs[one] for one in self.parts.keys() & poll.jobs.keys()})
        still_open = [one for one, standing in self.parts.items() if not standing.state.is_ended]
        exits = self._read_exits([one for one in still_open if _is_over(poll, one)], poll.listings)
        for one in still_open:
            verdict = self._conclude(one, one in poll.asked and _is_over(poll, one))
            why = "" if poll.answered else poll.why
            self.parts[one] = settle(self.parts[one], poll.jobs.get(one), exits.get(one), verdict, why)
        self._polls.forget([one for one in still_open if self.parts[one].state.is_ended])

    def _conclude(self, job_id: str, silent: bool) -> Standing | None:
        """What to make of a queue that answers, and has no word on how this job ended."""
        if not silent:
            self._silent_since.pop(job_id, None)
            return None
        if self.cancelled:
            return CANCELLED
        since = self._silent_since.setdefault(job_id, self._clock())
        return GIVEN_UP if self._clock() - since >= self._give_up_s else None

    def _read_exits(self, job_ids: Sequence[str], listings: dict[Path, frozenset[str]]) -> dict[str, int]:
        """What job files wrote. Folders are listed first: NFS remembers what was looked for in vain."""
        marks = {one: mark for one in job_ids if (mark := self._marks[one]) is not None}
        for folder in {mark.parent for mark in marks.values()} - listings.keys():
            listings[folder] = _list(folder)
        codes = {one: _read_code(mark) for one, mark in marks.items() if mark.name in listings[mark.parent]}
        return {one: code for one, code in codes.items() if code is not None}


def _is_over(poll: Poll, job_id: str) -> bool:
    """Whether the queue doesn't show it as waiting or running."""
    seen = poll.jobs.get(job_id)
    return seen is None or not (seen.state.is_queued or seen.state.is_running)


def _list(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def _read_code(mark: Path) -> int | None:
    try:
        return int(mark.read_text())
    except (OSError, ValueError):
        return None

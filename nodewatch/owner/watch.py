"""A thread that looks for the owner, and at the clock, every few seconds. Never touches the spool."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from threading import Event, Thread

from nodewatch.owner.policy import Aside, OwnerPolicy, OwnerState, Seen, Source, Stance, Unknown
from nodewatch.owner.schedule import Outside, Schedule
from nodewatch.owner.settings import AsideSettings
from nodewatch.owner.sources import LoadSource, SeatSource, TerminalSource

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_SPAN_S = 60.0
_CLOSE_S = 1.0
_OUTSIDE = {Outside.SUSPEND: Stance.SUSPEND, Outside.EVICT: Stance.EVICT, Outside.FINISH: Stance.HOLD}
_STRENGTH = tuple(Stance)


class OwnerWatch:
    """Tells ``on_change`` the stance whenever it becomes another; ``trouble`` says what can't be seen.

    ``ours`` tells the CPU seconds that this node's jobs have used. The first look is taken by ``start``,
    before it returns, so that no job of an earlier daemon runs on under the hands of the owner.
    """

    def __init__(
        self, settings: AsideSettings, ours: Callable[[], float], on_change: Callable[[Aside], None]
    ) -> None:
        self._settings, self._ours, self._on_change = settings, ours, on_change
        self._state: OwnerState | None = None
        self._told: Aside | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run, name="owner", daemon=True)
        self.trouble = ""
        policy = settings.owner
        wanted = policy.sources if policy else ()
        self._seat = SeatSource() if Source.SEAT in wanted else None
        self._terminal = TerminalSource() if Source.TERMINAL in wanted else None
        self._load = None
        if policy and Source.LOAD in wanted:
            self._load = LoadSource(ours, min(_SPAN_S, policy.busy_for_s / 2))

    def start(self) -> None:
        if self._settings:
            self._look()
            self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            # What it looks at may hang; nothing is lost if it does.
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        policy = self._settings.owner
        every_s = min(_LOOK_EVERY_S, policy.active_within_s / 2) if policy else _LOOK_EVERY_S
        while not self._stop.wait(every_s):
            self._look()

    def _look(self) -> None:
        wishes = []
        if self._settings.owner:
            wishes.append(self._look_for_owner(self._settings.owner))
        if self._settings.schedule:
            wishes.append(judge_schedule(self._settings.schedule, self._settings.outside, datetime.now()))
        strongest = max(wishes, key=lambda wish: _STRENGTH.index(wish.stance))
        if differs(strongest, self._told):
            _log.info("%s: %s: %s", strongest.by, strongest.stance.value, strongest.why)
            self._told = strongest
            self._on_change(self._tell_end(strongest))

    def _tell_end(self, wish: Aside) -> Aside:
        """Only now that it is news, for it is searched for among the minutes of a week."""
        schedule = self._settings.schedule
        if schedule is None or wish.by != "schedule":
            return wish
        change = schedule.next_change(datetime.now())
        return replace(wish, until=change.timestamp() if change else None)

    def _look_for_owner(self, policy: OwnerPolicy) -> Aside:
        now_s, clock_s = time.monotonic(), time.time()
        seen = self._see(now_s, clock_s)
        _log.debug("%s", seen)
        self._state = policy.step(self._state, seen, now_s) if self._state else policy.begin(seen, now_s)
        self._note_unknown(policy, seen)
        state = self._state
        return Aside(state.stance, "owner", state.why, clock_s - (now_s - state.since_s))

    def _see(self, now_s: float, clock_s: float) -> Seen:
        return Seen(
            self._seat.look(now_s) if self._seat else None,
            self._terminal.look(clock_s) if self._terminal else None,
            self._load.look(now_s) if self._load else None,
        )

    def _note_unknown(self, policy: OwnerPolicy, seen: Seen) -> None:
        trouble = say_unknown(policy, policy.find_unknown(seen))
        if trouble and trouble != self.trouble:
            _log.warning("%s", trouble)
        self.trouble = trouble


def say_unknown(policy: OwnerPolicy, unknown: tuple[Source, ...]) -> str:
    """What a node says of sources that can't be read; nothing if all can, or if that doesn't matter."""
    if not unknown or policy.unknown is Unknown.IDLE:
        return ""
    names = ", ".join(source.value for source in unknown)
    if policy.unknown is Unknown.BUSY:
        return f"can't see whether its owner is there ({names}): it counts as used"
    if unknown == policy.sources:
        return f"can't see at all whether its owner is there ({names}): it counts as unused"
    return f"can't see everywhere whether its owner is there ({names}): only the rest counts"


def judge_schedule(schedule: Schedule, outside: Outside, now: datetime) -> Aside:
    """The stance at a time of day."""
    stance = Stance.FREE if schedule.available(now) else _OUTSIDE[outside]
    return Aside(stance, "schedule", f"lent {schedule.text}", now.timestamp())


def differs(wish: Aside, told: Aside | None) -> bool:
    """Whether that is news. The time isn't: a stance keeps the one at which it was taken."""
    return told is None or (wish.stance, wish.by, wish.why) != (told.stance, told.by, told.why)

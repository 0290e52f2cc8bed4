"""When jobs make way for the owner of a workstation, and when they go on. Pure: no clock, no machine.

States, their order and the delays are those of the desktop policy that HTCondor publishes (HTCondor manual,
administrators' manual, "Configuration for Execution Points", *Desktop/Non-Desktop Policy* and the macros
that it uses; htcondor/htcondor, docs/admin-manual/ep-policy-configuration.rst):

====================  =========================  ===========================================================
here                  HTCondor                   what
====================  =========================  ===========================================================
``start_idle``        ``StartIdleTime`` 15 min   START: keyboard idle for so long, and CPU idle
``active_within``     ``KeyboardBusy`` 1 min     SUSPEND: used less than so long ago
``busy_for``          ``CpuBusyTime`` 2 min      SUSPEND: CPU busy for more than that
``continue_idle``     ``ContinueIdleTime`` 5 min CONTINUE: keyboard idle and suspended for so long, CPU idle
``max_suspend``       ``MaxSuspendTime`` 10 min  PREEMPT: suspended for longer than that
``load``              ``HighLoad`` 0.5           CPU busy: this many cores or more are busy with other work
``quiet_load``        ``BackgroundLoad`` 0.3     CPU idle: no more cores than this are
====================  =========================  ===========================================================

HTCondor's START asks for an idle CPU only until a job runs; here one that takes jobs goes on to do so while
the load is below ``load``. How jobs end that are evicted isn't decided here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from distribute_compute_config.quantities import format_duration


class Stance(Enum):
    """What a node does: take jobs and run them; run on and take no more; stop them; end them."""

    FREE = "free"
    HOLD = "hold"
    SUSPEND = "suspend"
    EVICT = "evict"

    @property
    def pauses(self) -> bool:
        """Whether what runs has to stand still."""
        return self in (Stance.SUSPEND, Stance.EVICT)


class Source(Enum):
    """Where it shows that somebody uses the machine."""

    SEAT = "seat"
    TERMINAL = "terminal"
    LOAD = "load"


class Unknown(Enum):
    """What a source that can't be read counts as."""

    BUSY = "busy"
    IDLE = "idle"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Aside:
    """A stance as others see it: who takes it, why, since when, until when (Unix seconds).

    ``by`` is ``owner`` or ``schedule``; ``until`` is None where nobody knows the end.
    """

    stance: Stance = Stance.FREE
    by: str = ""
    why: str = ""
    since: float = 0.0
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the machine; None is unknown.

    Seconds since somebody used a seat or a terminal (infinite: nobody is logged in there), and how many
    cores are busy with what isn't ours, on the average of the last minute or so.
    """

    seat_idle_s: float | None = None
    terminal_idle_s: float | None = None
    load_cores: float | None = None

    def get(self, source: Source) -> float | None:
        return {
            Source.SEAT: self.seat_idle_s,
            Source.TERMINAL: self.terminal_idle_s,
            Source.LOAD: self.load_cores,
        }[source]


@dataclass(frozen=True, slots=True)
class OwnerState:
    """A stance, why and since when it is taken, and since when the load is high (monotonic seconds)."""

    stance: Stance
    why: str
    since_s: float
    high_since_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Use:
    """What a look comes to, when what is unknown has been counted as the policy says."""

    idle_s: float
    where: Source
    load_cores: float
    guessed: frozenset[Source]


_USES = {
    Source.SEAT: "somebody is at its keyboard",
    Source.TERMINAL: "somebody types in a terminal",
}


@dataclass(frozen=True, slots=True)
class OwnerPolicy:
    """The owner's wishes; see above. ``max_suspend_s`` may be infinite."""

    start_idle_s: float = 900.0
    active_within_s: float = 60.0
    busy_for_s: float = 120.0
    continue_idle_s: float = 300.0
    max_suspend_s: float = 600.0
    load: float = 0.5
    quiet_load: float = 0.3
    sources: tuple[Source, ...] = (Source.SEAT, Source.TERMINAL, Source.LOAD)
    unknown: Unknown = Unknown.IGNORE

    def begin(self, seen: Seen, now_s: float) -> OwnerState:
        """The state after the first look: nothing is taken yet.

        What runs may have been suspended by an earlier daemon; it goes on only where that one had let it.
        """
        use = self._judge(seen)
        high_since_s = now_s if use.load_cores >= self.load else None
        if use.idle_s < max(self.active_within_s, self.continue_idle_s):
            return OwnerState(Stance.SUSPEND, _say_use(use), now_s - use.idle_s, high_since_s)
        return OwnerState(Stance.HOLD, self._say_hold(use), now_s, high_since_s)

    def step(self, state: OwnerState, seen: Seen, now_s: float) -> OwnerState:
        """The state after a look at ``now_s`` (monotonic seconds)."""
        use, high_since_s = self._judge(seen), None
        if use.load_cores >= self.load:
            high_since_s = now_s if state.high_since_s is None else state.high_since_s
        high_s = 0.0 if high_since_s is None else now_s - high_since_s
        stance, why = self._choose(state, use, high_s, now_s)
        if stance is state.stance:
            return replace(state, high_since_s=high_since_s)
        return OwnerState(stance, why, now_s, high_since_s)

    def find_unknown(self, seen: Seen) -> tuple[Source, ...]:
        """The sources that the policy asks for and that can't be read."""
        return tuple(source for source in self.sources if seen.get(source) is None)

    def _choose(self, state: OwnerState, use: _Use, high_s: float, now_s: float) -> tuple[Stance, str]:
        busy = self._say_busy(use, high_s)
        if state.stance.pauses:
            return self._choose_suspended(state, use, busy, now_s)
        if busy:
            return Stance.SUSPEND, busy
        calm = use.load_cores <= self.quiet_load
        calm |= state.stance is Stance.FREE and use.load_cores < self.load
        if calm and use.idle_s >= self.start_idle_s:
            return Stance.FREE, f"unused for {format_duration(self.start_idle_s)}"
        return Stance.HOLD, self._say_hold(use)

    def _choose_suspended(self, state: OwnerState, use: _Use, busy: str, now_s: float) -> tuple[Stance, str]:
        lasts_s = now_s - state.since_s
        quiet = not busy and use.load_cores <= self.quiet_load and use.idle_s >= self.continue_idle_s
        # What was evicted isn't there to go on: nothing has to be waited for.
        if quiet and (state.stance is Stance.EVICT or lasts_s >= self.continue_idle_s):
            return Stance.HOLD, self._say_hold(use)
        if state.stance is Stance.SUSPEND and lasts_s >= self.max_suspend_s:
            return Stance.EVICT, f"{state.why}, for {format_duration(self.max_suspend_s)} by now"
        return state.stance, state.why

    def _judge(self, seen: Seen) -> _Use:
        guessed = frozenset(self.find_unknown(seen))
        busy = self.unknown is Unknown.BUSY
        idle_s, where, load_cores = math.inf, Source.SEAT, 0.0
        for source in self.sources:
            value = seen.get(source)
            if source is Source.LOAD:
                load_cores = value if value is not None else math.inf if busy else 0.0
                continue
            source_idle_s = value if value is not None else 0.0 if busy else math.inf
            if source_idle_s < idle_s:
                idle_s, where = source_idle_s, source
        return _Use(idle_s, where, load_cores, guessed)

    def _say_busy(self, use: _Use, high_s: float) -> str:
        """Why jobs have to stop; empty if they don't."""
        if use.idle_s < self.active_within_s:
            return _say_use(use)
        return _say_load(use) if use.load_cores >= self.load and high_s >= self.busy_for_s else ""

    def _say_hold(self, use: _Use) -> str:
        if use.idle_s < self.start_idle_s:
            return f"used less than {format_duration(self.start_idle_s)} ago"
        return _say_load(use) if use.load_cores > self.quiet_load else "it hasn't been watched for long"


def _say_use(use: _Use) -> str:
    return f"its {use.where.value} can't be looked at" if use.where in use.guessed else _USES[use.where]


def _say_load(use: _Use) -> str:
    if Source.LOAD in use.guessed:
        return "its load can't be looked at"
    return f"{use.load_cores:.1f} cores are busy with other work"

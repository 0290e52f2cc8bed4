"""When a ``pause`` file pauses, for how long, and that the same touch does so only once. Pure: no clock, no
disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from distribute_compute_config.quantities import format_duration, parse_duration

DEFAULT_PAUSE_S = 3600.0
LONGEST_PAUSE_S = 4 * 3600.0

_SHOWN_CHARS = 60


@dataclass(frozen=True)
class PauseRequest:
    """How long a pause file asks for, in seconds; ``note`` says what was made of a strange one, else
    empty."""

    duration_s: float
    note: str = ""

    @classmethod
    def parse(cls, text: str) -> PauseRequest:
        """Read the content of a pause file: nothing, or a duration. Never fails: who touches the file wants
        quiet."""
        written = text.strip()
        if not written:
            return cls(DEFAULT_PAUSE_S)
        try:
            duration_s = parse_duration(written)
        except ValueError:
            shown = repr(written[:_SHOWN_CHARS])
            return cls(DEFAULT_PAUSE_S, f"{shown} is not a duration such as 2h or 1h30m10s; pausing for 1h")
        if duration_s > LONGEST_PAUSE_S:
            return cls(
                LONGEST_PAUSE_S,
                f"{format_duration(duration_s)} is too long; pausing for 4h, touch again then",
            )
        return cls(duration_s)


@dataclass(frozen=True)
class Touch:
    """A pause file as it was seen. Two equal sightings are one touch.

    The content belongs to it: a file that is created and written within one clock tick has one mtime.
    """

    inode: int
    mtime_ns: int
    content: str


@dataclass(frozen=True)
class PauseState:
    """The last touch that was acted on, and until when it pauses (monotonic seconds; None: not, or no
    more)."""

    touch: Touch | None = None
    until_s: float | None = None
    note: str = ""

    def observe(self, touch: Touch | None, now_s: float) -> PauseState:
        """The state after a look at the pause file at ``now_s``; ``touch`` is None if there is no file.

        A new touch pauses anew. No file ends the pause at once; its touch stays known, so that a file that
        was only out of sight for a moment doesn't pause a second time.
        """
        if touch is None:
            return replace(self, until_s=None, note="")
        if touch != self.touch:
            request = PauseRequest.parse(touch.content)
            return PauseState(touch, now_s + request.duration_s, request.note)
        if not self.pauses(now_s):
            return replace(self, until_s=None)
        return self

    def pauses(self, now_s: float) -> bool:
        return self.until_s is not None and now_s < self.until_s

    def to_json(self, now_s: float, clock_s: float) -> str:
        """For the next daemon, which has another monotonic clock; ``clock_s`` is the time of day, unix
        seconds."""
        left_s = 0.0 if self.until_s is None else max(0.0, self.until_s - now_s)
        touch = None if self.touch is None else asdict(self.touch)
        return json.dumps({"touch": touch, "left_s": left_s, "ends_at": clock_s + left_s, "note": self.note})

    @classmethod
    def from_json(cls, text: str, now_s: float, clock_s: float) -> PauseState:
        """Continue what an earlier daemon wrote. Raises ValueError if ``text`` is something else.

        The time of day only counts while no daemon runs, and never to the pause's advantage: it lasts until
        the recorded end, but not longer than what was left when it was recorded. So a clock that was set back
        in between prolongs nothing beyond the gap itself, and one that was set forward ends the pause early.
        """
        try:
            fields = json.loads(text)
            touch = None if fields["touch"] is None else Touch(**fields["touch"])
            left_s = min(float(fields["left_s"]), float(fields["ends_at"]) - clock_s, LONGEST_PAUSE_S)
            return cls(touch, now_s + left_s if left_s > 0 else None, str(fields["note"]))
        except (KeyError, TypeError) as trouble:
            raise ValueError(f"not a record of a pause: {trouble!r}") from trouble

"""When a ``pause`` file pauses, for how long, and that the same touch does so only once. Pure: no clock, no
disk."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace

from distribute_compute_config.names import is_name
from distribute_compute_config.quantities import format_duration, parse_duration

DEFAULT_PAUSE_S = 3600.0
LONGEST_PAUSE_S = 4 * 3600.0

#: So much of a pause file is read.
MOST_CONTENT_BYTES = 4096
#: The word for the whole node, which is also meant where no job is named.
ALL = "all"

_SHOWN_CHARS = 60
_JOB_PARTS = 3
_NONSENSE = "is not a duration such as 2h or 1h30m10s, nor a job that runs here; pausing everything for 1h"


@dataclass(frozen=True)
class PauseRequest:
    """How long a pause file asks for, in seconds, and for what; ``note`` says what was made of a strange one,
    else it is empty.

    ``targets`` are ``NAMESPACE/BATCH`` or ``NAMESPACE/BATCH/JOB``; without any the whole node pauses.
    """

    duration_s: float
    note: str = ""
    targets: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, running: Collection[str] = ()) -> PauseRequest:
        """Read the content of a pause file: a duration, jobs or ``all``, in any order; each may be missing.

        ``running`` are the jobs here, ``NAMESPACE/BATCH/JOB``, one of which a name alone must mean. Never
        fails: who touches the file wants quiet.
        """
        words = text.split()
        spans = [word for word in words if _is_duration(word)]
        named = [word for word in words if word not in spans and word != ALL]
        found = {word: _find(word, running) for word in named}
        if not all(found.values()) or (spans and not _is_duration("".join(spans))):
            return cls(DEFAULT_PAUSE_S, f"{text.strip()[:_SHOWN_CHARS]!r} {_NONSENSE}")
        duration_s = parse_duration("".join(spans)) if spans else DEFAULT_PAUSE_S
        notes = [f"{word} means {' and '.join(jobs)}" for word, jobs in found.items() if len(jobs) > 1]
        if duration_s > LONGEST_PAUSE_S:
            notes.append(f"{format_duration(duration_s)} is too long; pausing for 4h, touch again then")
        targets = () if ALL in words else tuple(dict.fromkeys(job for jobs in found.values() for job in jobs))
        return cls(min(duration_s, LONGEST_PAUSE_S), "; ".join(notes), targets)


def hits(targets: Collection[str], job: str) -> bool:
    """Whether ``job``, which is ``NAMESPACE/BATCH/JOB``, is one of the targets or in a batch among them."""
    return job in targets or job.rpartition("/")[0] in targets


def _is_duration(word: str) -> bool:
    try:
        parse_duration(word)
    except ValueError:
        return False
    return True


def _find(word: str, running: Collection[str]) -> list[str]:
    """What a word means; nothing if it is nonsense."""
    parts = word.split("/")
    if len(parts) == 1:
        return [job for job in running if job.rpartition("/")[2] == word]
    return [word] if len(parts) <= _JOB_PARTS and all(map(is_name, parts)) else []


@dataclass(frozen=True)
class Touch:
    """A pause file as it was seen. Two equal sightings are one touch.

    The content belongs to it: a file that is created and written within one clock tick has one mtime.
    """

    inode: int
    mtime_ns: int
    content: str
    #: Of who made it, as far as it is known; whose it is makes no other touch of it.
    uid: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PauseState:
    """The last touch that was acted on, until when it pauses (monotonic seconds; None: not, or no more), and
    what (``targets``; without any: everything)."""

    touch: Touch | None = None
    until_s: float | None = None
    note: str = ""
    targets: tuple[str, ...] = ()

    def observe(self, touch: Touch | None, now_s: float, running: Collection[str] = ()) -> PauseState:
        """The state after a look at the pause file at ``now_s``; ``touch`` is None if there is no file.

        ``running`` are the jobs here, as ``NAMESPACE/BATCH/JOB``: what a name alone means is settled when the
        touch is new. A new touch pauses anew. No file ends the pause at once; its touch stays known, so that
        a file that was only out of sight for a moment doesn't pause a second time.
        """
        if touch is None:
            return replace(self, until_s=None, note="", targets=())
        if touch != self.touch:
            request = PauseRequest.parse(touch.content, running)
            return PauseState(touch, now_s + request.duration_s, request.note, request.targets)
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
        timing = {"left_s": left_s, "ends_at": clock_s + left_s}
        return json.dumps({"touch": touch, **timing, "note": self.note, "targets": self.targets})

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
            # A record of an earlier version has no targets: then everything was paused.
            targets = tuple(map(str, fields.get("targets", ())))
            return cls(touch, now_s + left_s if left_s > 0 else None, str(fields["note"]), targets)
        except (KeyError, TypeError) as trouble:
            raise ValueError(f"not a record of a pause: {trouble!r}") from trouble

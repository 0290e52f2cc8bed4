"""The ways to tell somebody: each one is a program, which may hang or fail without harm."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from enum import Enum
from threading import Event

from spoold.codec import encode
from spoold.notices.programs import Ended, run_program
from spoold.notices.rendering import render
from spoold.notices.settings import CommandSettings, MatrixSettings, Settings
from spoold.notices.summary import Summary, last_lines

#: A command that failed so often isn't tried again.
COMMAND_TRIES = 5
#: In seconds; the program itself gives up a little earlier, and says why.
MATRIX_LIMIT_S = 90.0
_MATRIX_PROGRAM = (sys.executable, "-P", "-m", "spoold.notices.matrix")


class Verdict(Enum):
    """What came of it. ``LATER``: it may work another time."""

    TOLD = "told"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict, and why; ``room`` is a Matrix room's id, ``made`` whether it is new.

    ``everybody``: what hindered it hinders every other notice too, for ``retry_after_s`` if that is known.
    """

    verdict: Verdict
    why: str = ""
    room: str = ""
    made: bool = False
    everybody: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class MatrixChannel:
    """A message in the room that the two users have for themselves."""

    settings: MatrixSettings
    name = "matrix"

    def tell(self, summary: Summary, tries: int, stop: Event) -> Outcome:
        """``tries`` counts this one; at a later one the message may be there already."""
        message = render(summary)
        settings = {**asdict(self.settings), "token_file": str(self.settings.token_file)}
        order = {**settings, "to": summary.matrix, "id": summary.id, "again": tries > 1, **asdict(message)}
        try:
            ended = run_program(_MATRIX_PROGRAM, json.dumps(order).encode(), MATRIX_LIMIT_S, stop)
        except OSError as error:
            return Outcome(Verdict.LATER, f"{_MATRIX_PROGRAM[0]}: {error.strerror}", everybody=True)
        return _read_answer(ended)


@dataclass(frozen=True, slots=True)
class CommandChannel:
    """A program of the lab's own, which gets the summary as JSON."""

    settings: CommandSettings
    name = "command"

    def tell(self, summary: Summary, tries: int, stop: Event) -> Outcome:
        try:
            ended = run_program(self.settings.argv, encode(summary), self.settings.limit_s, stop)
        except OSError as error:
            why = f"{self.settings.argv[0]} can't be run: {error.strerror}"
        else:
            if ended.code == 0 and not ended.late:
                return Outcome(Verdict.TOLD)
            if ended.stopped:
                return Outcome(Verdict.LATER, "the daemon was stopped meanwhile")
            why = _explain_end(self.settings, ended)
        return Outcome(Verdict.LATER if tries < COMMAND_TRIES else Verdict.REFUSED, why)


Channel = MatrixChannel | CommandChannel


def list_channels(settings: Settings, to: str | None) -> list[Channel]:
    """The ways by which a batch's end is told, where its job file names the Matrix user ``to``."""
    channels: list[Channel] = []
    if settings.command is not None:
        channels.append(CommandChannel(settings.command))
    if settings.matrix is not None and to is not None:
        channels.append(MatrixChannel(settings.matrix))
    return channels


def _read_answer(ended: Ended) -> Outcome:
    """What ``spoold.notices.matrix`` printed."""
    if ended.stopped:
        return Outcome(Verdict.LATER, "the daemon was stopped meanwhile", everybody=True)
    if ended.late:
        return Outcome(Verdict.LATER, f"no answer within {MATRIX_LIMIT_S:g} s", everybody=True)
    for line in reversed(ended.output.splitlines()):
        # Its libraries may say something after it.
        try:
            answer = json.loads(line)
            return Outcome(**{**answer, "verdict": Verdict(answer["verdict"])})
        except (ValueError, KeyError, TypeError):
            continue
    said = " ".join(last_lines(ended.output)[-1:])
    return Outcome(Verdict.LATER, f"it ended with {ended.code}{': ' if said else ''}{said}", everybody=True)


def _explain_end(settings: CommandSettings, ended: Ended) -> str:
    said = " ".join(last_lines(ended.output)[-1:])
    name = settings.argv[0]
    if ended.late:
        return f"{name} didn't end within {settings.limit_s:g} s"
    how = f"ended with exit code {ended.code}" if ended.code > 0 else f"was ended by signal {-ended.code}"
    return f"{name} {how}{': ' if said else ''}{said}"

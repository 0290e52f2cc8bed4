"""What a node executes, as its log tells it with --verbose: whoever has the log can show each command."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

_log = logging.getLogger(__name__)

_LINE = re.compile(rf" {re.escape(__name__)}: (\S+) \((\w+)\) executes (\[.*\])$")


@dataclass(frozen=True, slots=True)
class Command:
    """What was executed for ``attempt``, which is ``NAMESPACE/BATCH/JOB~ATTEMPT@NODE``."""

    attempt: str
    phase: str
    argv: tuple[str, ...]


def note_command(attempt: str, phase: str, argv: Sequence[str]) -> None:
    """Tell the log what is about to be executed; ``phase`` is ``building`` or ``running``."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s (%s) executes %s", attempt, phase, json.dumps(argv))


def read_command(line: str) -> Command | None:
    """What a line of the log says was executed; None if it tells of something else."""
    found = _LINE.search(line)
    return Command(found[1], found[2], tuple(json.loads(found[3]))) if found else None

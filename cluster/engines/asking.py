"""Running a batch system's commands: with a time limit, and with an error that says what it said."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from cluster.errors import ClusterError, CommandError
from cluster.run import Finished, cmd

#: Slurm's own clients give up after a minute; what takes longer than this isn't a moment's load.
ANSWER_S = 30.0


class QueueRefused(ClusterError):
    """A batch system's command ended with an error."""


def ask(argv: Sequence[str], accepted: frozenset[int] = frozenset(), cwd: Path | None = None) -> str:
    """What a command prints to standard output; it runs in the folder ``cwd``.

    Raises QueueRefused for another exit code than 0 and those ``accepted``, and CommandError (a
    CommandTimeout after ``ANSWER_S`` seconds).
    """
    answer = run(argv, cwd)
    if answer.code != 0 and answer.code not in accepted:
        raise QueueRefused(
            f"{argv[0]} failed", say_failure(answer), f"try it by hand: {shlex.join(argv)[:500]}"
        )
    return answer.stdout


def run(argv: Sequence[str], cwd: Path | None = None) -> Finished:
    """How a command ended, and what it printed. Raises CommandError, and CommandTimeout if it hangs."""
    return cmd(argv, timeout_s=ANSWER_S, cwd=cwd)


def try_asking(argv: Sequence[str]) -> str | None:
    """What a command prints, or None if it failed or didn't answer."""
    try:
        return ask(argv)
    except (QueueRefused, CommandError):
        return None


def say_failure(answer: Finished) -> str:
    """The command's own words, else its exit code."""
    words = " ".join((answer.stderr.strip() or answer.stdout.strip()).split())
    return words[:1000] or f"exit code {answer.code}"


def in_parts(job_ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """The ids, ``size`` at a time: a command line has its limit."""
    ids = iter(job_ids)
    while part := list(islice(ids, size)):
        yield part


def make_separator() -> str:
    """Text that nobody could put into a job's name before it was drawn."""
    return f"~{secrets.token_hex(8)}~"

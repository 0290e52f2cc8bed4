"""What a job runs, as one command line for a shell. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError

#: A command line, the path of a program, or a list of words.
Command = str | Path | Sequence[str]

#: Linux takes 131,072 bytes as one argument.
_COMMAND_MAX = 100_000


def join_command(command: Command, args: Sequence[object] = ()) -> str:
    """What a shell is to run. A text is a command line; a path, a list of words and ``args`` are quoted.

    Raises TypeError for what is none of these, ValueError for an empty one, and as ``check_command`` does.
    """
    if isinstance(command, str):
        words = command
    elif isinstance(command, Path):
        words = shlex.quote(str(command))
    elif isinstance(command, Sequence) and all(isinstance(word, str) for word in command):
        words = shlex.join(command)
    else:
        raise TypeError(f"a job is a function, a text, a path or a list of words, not {command!r:.100}")
    if not words.strip():
        raise ValueError(f"{command!r} is no command: there is nothing in it to run")
    return check_command(" ".join([words, *(shlex.quote(str(arg)) for arg in args)]))


def check_command(command: str) -> str:
    """``command``, if it can be one argument of a program. Raises ClusterError."""
    if "\0" in command or len(command.encode(errors="surrogateescape")) > _COMMAND_MAX:
        raise ClusterError(
            "this can't be run as one command",
            f"it has a zero byte, or more than {_COMMAND_MAX} bytes",
            "write it into a script and give that: submit('bash script.sh')",
        )
    return command

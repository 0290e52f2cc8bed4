"""What the command returns to the shell; shown at the end of `distribute --help`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every subcommand."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NO_SPOOL = 3
    NOT_FOUND = 4
    INCOMPLETE = 5
    UNSOUND = 6
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILURE: "it failed; standard error says why",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.NO_SPOOL: "no spool is set, or it isn't one that this version can read",
    ExitCode.NOT_FOUND: "there is no such batch, job, node or profile",
    ExitCode.INCOMPLETE: "jobs are missing or failed: pull before the end, add --wait, run",
    ExitCode.UNSOUND: "something in the spool isn't as it should be: fsck or verify names it",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
    ExitCode.BROKEN_PIPE: "the reader of its output went away, as with: distribute status | head -1",
}

"""The one place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import click

from distribute_cli.exit_codes import ExitCode
from distribute_compute_config.errors import DistributeError

T = TypeVar("T")


def run_bounded(act: Callable[[], T], debug: bool) -> T:
    """What ``act`` returns. Raises click's own exceptions only: all others end here, on standard error."""
    code: int
    try:
        result = act()
        # Here, not at the interpreter's end, where a closed pipe can't be handled any more.
        sys.stdout.flush()
        return result
    except (click.exceptions.Exit, click.ClickException):
        raise
    except (KeyboardInterrupt, click.Abort):
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        code = ExitCode.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the outermost handler: nothing is swallowed, all of it is told
        if debug:
            _print_traceback(error)
        code = _tell(error, debug)
    raise click.exceptions.Exit(code)


def _tell(error: Exception, debug: bool) -> int:
    if isinstance(error, DistributeError):
        click.echo(describe(error), err=True)
        return error.exit_code
    click.echo(f"error: {_name_cause(error)}", err=True)
    if not debug:
        click.echo("  see where with: distribute --debug COMMAND ...", err=True)
    return ExitCode.FAILURE


def describe(error: DistributeError) -> str:
    """``error: what: why``, every mistake of a job file on a line of its own, and the hint, indented."""
    from distribute_compute_config.problems import JobFileError

    lines = [f"error: {error.what}: {error.why}" if error.why else f"error: {error.what}"]
    if isinstance(error, JobFileError):
        lines += map(str, error.problems)
    lines += [f"  {line}" for line in error.hint.splitlines()]
    return "\n".join(lines)


def _name_cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"


def _print_traceback(error: Exception) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _silence_stdout() -> None:
    """What is still buffered goes nowhere, so that the interpreter's last flush says nothing."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    finally:
        os.close(devnull)

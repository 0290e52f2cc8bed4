"""`distribute check JOBFILE...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from distribute_cli.context import known_jobs_max
from distribute_cli.exit_codes import ExitCode
from distribute_cli.output import clean, json_option, print_json, say, tell
from distribute_cli.words import count

if TYPE_CHECKING:
    from distribute_cli.reports.checking import FileCheck
    from distribute_compute_config import LoadedJobFile


@click.command()
@click.argument("jobfiles", metavar="JOBFILE...", nargs=-1, required=True, type=click.Path())
@json_option
@click.pass_context
def command(ctx: click.Context, jobfiles: tuple[str, ...], as_json: bool) -> None:
    """Find every mistake in each JOBFILE, and every input that isn't there."""
    checks = [check_file(path) for path in jobfiles]
    if as_json:
        print_json({"files": checks})
    else:
        for check in checks:
            _print(check)
    mistakes = sum(len(check.problems) for check in checks)
    if mistakes:
        tell(f"{count(mistakes, 'mistake')} in {count(sum(bool(c.problems) for c in checks), 'file')}")
        ctx.exit(ExitCode.FAILURE)


def check_file(path: str) -> FileCheck:
    """Every mistake in the job file at ``path``, or what it asks for."""
    from distribute_cli.images import look_at_image
    from distribute_cli.reports.checking import report_batch, report_problems
    from distribute_compute_config import JobFileError, load_with_inputs

    base = Path(path).absolute().parent
    try:
        loaded = load_with_inputs(path, known_jobs_max())
        image = look_at_image(loaded, base)
    except JobFileError as error:
        return report_problems(path, error.problems)
    if image.doubt:
        tell(f"warning: {image.doubt}")
    return report_batch(loaded, _sizes_bytes(loaded, base), image.architecture)


def _sizes_bytes(loaded: LoadedJobFile, base: Path) -> dict[str, int]:
    return {one.path: (base / one.path).stat().st_size for one in loaded.inputs()}


def _print(check: FileCheck) -> None:
    from distribute_cli.reports.checking import describe_sweeps, summarise

    for p in check.problems:
        place = f"{check.file}:{p.line}:{p.column}: {p.what}: {p.why}"
        say(f"{place}; {p.instead}" if p.instead else place)
    if check.batch is not None:
        say(summarise(check))
        for line in describe_sweeps(check.batch.sweeps):
            say(clean(line))

"""`distribute pull [JOBFILE|NS/BATCH]`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, known_jobs_max, spool_option
from distribute_cli.errors import Incomplete
from distribute_cli.exit_codes import ExitCode
from distribute_cli.output import clean, json_option, make_progress, print_json, say, tell
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.names import is_name

if TYPE_CHECKING:
    from distribute_cli.pulling.pulling import Wanted
    from distribute_cli.reports.pulled import PullReport

JOB_FILE = "distribute-jobs.yaml"
_YAML = (".yaml", ".yml")


@click.command()
@click.argument("batch", metavar="[JOBFILE|NS/BATCH]", default=JOB_FILE)
@click.option(
    "--filter", "-f", "filters", metavar="REGEX", multiple=True, help="Only files JOB/path with this in them."
)
@click.option(
    "--exclude", "-x", "excludes", metavar="REGEX", multiple=True, help="No files JOB/path with this in them."
)
@click.option(
    "--save-dir", type=click.Path(file_okay=False, path_type=Path), default=Path("distribute-results"),
    show_default=True, help="Files go to SAVE_DIR/NAMESPACE/BATCH/JOB/...",
)  # fmt: skip
@click.option(
    "--from", "remote", metavar="[USER@]HOST:DIR",
    help="Fetch from another machine, by rsync: of an export for Slurm, or of a spool.",
)  # fmt: skip
@click.option("--attempts", is_flag=True, help="Earlier attempts that failed, too: JOB~1, JOB~2...")
@click.option("--dry", is_flag=True, help="Say what would be pulled, and write nothing.")
@click.option(
    "--jobs",
    "-j",
    "workers",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Files at a time.",
)
@json_option
@spool_option
def command(
    batch: str,
    filters: tuple[str, ...],
    excludes: tuple[str, ...],
    save_dir: Path,
    remote: str | None,
    attempts: bool,
    dry: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Fetch the results of a batch.

    The batch is named by the job file that was submitted (its inputs aren't needed), or as NS/BATCH. What is
    there already isn't copied again; what was deleted comes back. Every file is verified.
    """
    from distribute_cli.pulling.filters import compile_filters
    from distribute_cli.pulling.pulling import Wanted

    compiled = compile_filters(filters, excludes)
    namespace, name = find_key(batch)
    wanted = Wanted(namespace, name, save_dir.absolute(), compiled, attempts, dry, workers)
    if not dry:
        _require_writable(wanted.save_dir)
    report = _pull(wanted, remote)
    if as_json:
        print_json(report)
    else:
        _print(report)
    _judge(report, remote)


def _require_writable(folder: Path) -> None:
    """Raises DistributeError where every file would fail for the same reason."""
    nearest = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not os.access(nearest, os.W_OK | os.X_OK):
        why = "it isn't yours to write" if nearest == folder else f"{nearest} isn't yours to write"
        raise DistributeError(f"nothing can be saved in {folder}", why, "give another folder: --save-dir D")


def find_key(text: str) -> tuple[str, str]:
    """Namespace and batch: of the job file at ``text`` if there is one, else ``text`` is NS/BATCH itself."""
    from distribute_compute_config import load_file

    parts = text.rstrip("/").split("/")
    named = len(parts) == 2 and all(map(is_name, parts)) and not text.endswith(_YAML)
    if named and not Path(text).is_file():
        return parts[0], parts[1]
    if not Path(text).exists():
        raise _no_job_file(text)
    meta = load_file(text, known_jobs_max()).jobfile.meta
    return meta.namespace, meta.batch_name


def _no_job_file(text: str) -> DistributeError:
    hint = "give the job file that you submitted, or NS/BATCH; see: distribute status"
    if text == JOB_FILE:
        return DistributeError(f"there is no {JOB_FILE} here", "and no other batch was named", hint)
    parts = text.rstrip("/").split("/")
    if len(parts) == 3 and all(map(is_name, parts)):
        key = "/".join(parts[:2])
        hint = f"for one job, type: distribute pull {key} --filter '^{parts[2]}/'"
        return DistributeError(f"there is no job file {text}", "pull takes a whole batch, NS/BATCH", hint)
    return DistributeError(f"there is no job file {text}", "", hint)


def _pull(wanted: Wanted, remote: str | None) -> PullReport:
    from distribute_cli.pulling.fetching import pull_remote
    from distribute_cli.pulling.pulling import Meter, pull
    from distribute_cli.pulling.remotes import Remote, parse_remote

    source = current_spool(whole=False) if remote is None else parse_remote(remote)
    progress = make_progress()
    task = progress.add_task(clean(f"{wanted.namespace}/{wanted.batch}"), total=None)

    def advance(size_bytes: int) -> None:
        progress.start()
        progress.update(task, advance=size_bytes)

    meter = Meter(lambda total: progress.update(task, total=total), advance)
    try:
        if isinstance(source, Remote):
            # Until bytes come ssh may ask for a password, which a bar would draw over.
            tell(clean(f"asking {source.name} …"))
            return pull_remote(source, wanted, meter)
        progress.start()
        return pull(source, wanted, meter)
    finally:
        progress.stop()


def _print(report: PullReport) -> None:
    from distribute_cli.reports.pulled import Action, summarise
    from distribute_cli.words import say_size

    if report.dry:
        for file in report.having(Action.WANTED):
            say(clean(f"{file.path}  {say_size(file.size_bytes)}"))
    for folder in report.set_aside:
        tell(
            clean(
                f"an earlier attempt that was pulled before {'would be' if report.dry else 'is'} in {folder}"
            )
        )
    say(clean(summarise(report)))


def _judge(report: PullReport, remote: str | None) -> None:
    """Raises what the exit code is to tell of: failures before jobs without a result."""
    from distribute_cli.reports.pulled import say_missing

    key = f"{report.namespace}/{report.batch}"
    if report.failures:
        for text in report.failures:
            tell("error: " + "; ".join(clean(line.strip()) for line in text.splitlines()))
        tell("  what arrived stays; to fetch the rest, type the same again")
        if remote is None:
            tell(f"  to see whether the archive is damaged: distribute verify {key}")
        raise click.exceptions.Exit(ExitCode.FAILURE)
    if report.missing:
        what, *more = say_missing(report)
        why = (
            "to fetch them when they are there, type the same again"
            if remote
            else f"to see why: distribute explain {key}"
        )
        raise Incomplete(what, "", "\n".join([*more, why]))

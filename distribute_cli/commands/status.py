"""`distribute status [NS[/BATCH[/JOB]]]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.errors import NotFound, did_you_mean
from distribute_cli.output import Line, Part, draw, json_option, make_console, print_json, print_parts
from distribute_cli.targets import Target, TargetType, require_job

if TYPE_CHECKING:
    from distribute_cli.reports.batch import BatchReport, JobReport
    from distribute_cli.reports.overview import Overview
    from spoold.spool import Spool

    Report = Overview | BatchReport | JobReport

WATCH_EVERY_S = 2.0


@click.command()
@click.argument("target", type=TargetType(), required=False)
@click.option("--watch", "-w", is_flag=True, help="Draw it anew every two seconds, until Ctrl-C.")
@click.option("--all", "everything", is_flag=True, help="All finished batches, not the newest ones only.")
@json_option
@spool_option
def command(target: Target | None, watch: bool, everything: bool, as_json: bool) -> None:
    """Show batches; or the jobs of one; or all that is known of a job."""
    if watch and as_json:
        raise click.UsageError("--watch is for people and --json for programs: give one of them.")
    spool = current_spool()
    if as_json:
        print_json(_read(spool, target, everything))
    elif watch:
        _watch(lambda: _render(_read(spool, target, everything)))
    else:
        print_parts(_render(_read(spool, target, everything)))


def _read(spool: Spool, target: Target | None, everything: bool) -> Report:
    from distribute_cli.reading.overview import read_overview

    if target is not None and target.batch is not None:
        return _read_batch(spool, target)
    overview = read_overview(spool, time.time(), target.namespace if target else None, everything)
    if target is not None and not overview.batches and not overview.finished:
        raise _no_namespace(spool, target.namespace)
    return overview


def _read_batch(spool: Spool, target: Target) -> BatchReport | JobReport:
    from distribute_cli.reading.batch import read_attempts, read_batch
    from distribute_cli.reports.batch import report_batch, report_job

    assert target.batch is not None
    seen = read_batch(spool, target.namespace, target.batch, target.job)
    if target.job is None:
        return report_batch(seen)
    require_job(target, [spec.name for spec in seen.jobs.jobs])
    return report_job(seen, target.job, read_attempts(spool, target.namespace, target.batch, target.job))


def _no_namespace(spool: Spool, namespace: str) -> NotFound:
    from spoold.snapshot import list_batches

    known = {ref.namespace for finished in (False, True) for ref in list_batches(spool, finished)}
    hint = did_you_mean(namespace, known) or "see all batches with: distribute status --all"
    return NotFound(f"there is no namespace {namespace}", f"in {spool.root}", hint)


def _render(report: Report) -> Sequence[Part]:
    from distribute_cli.rendering.batch import draw_batch, draw_job
    from distribute_cli.rendering.overview import draw_overview
    from distribute_cli.reports.batch import BatchReport
    from distribute_cli.reports.overview import Overview

    if isinstance(report, Overview):
        return list(draw_overview(report))
    if isinstance(report, BatchReport):
        return list(draw_batch(report, time.time()))
    return list(draw_job(report, time.time()))


def _watch(render: Callable[[], Sequence[Part]]) -> None:
    from rich.live import Live

    from spoold.polling import FOR_EVER_S, poll

    if not sys.stdout.isatty():
        poll(lambda: print_parts([*render(), Line("")]), FOR_EVER_S, WATCH_EVERY_S)
        return
    with Live(console=make_console(), auto_refresh=False) as live:
        poll(lambda: live.update(draw(render()), refresh=True), FOR_EVER_S, WATCH_EVERY_S)

"""`distribute fsck`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.exit_codes import ExitCode
from distribute_cli.output import clean, json_option, make_progress, print_json, say, tell

if TYPE_CHECKING:
    from distribute_cli.reports.soundness import SpoolReport
    from spoold.checking import Finding
    from spoold.spool import Spool


@click.command()
@click.option("--repair", "mend", is_flag=True, help="Repair what is safe; touch nothing else.")
@click.option("--checksums", is_flag=True, help="Read every file of the store, too.")
@json_option
@spool_option
@click.pass_context
def command(ctx: click.Context, mend: bool, checksums: bool, as_json: bool) -> None:
    """Find what isn't legal in the spool.

    Nothing needs to be stopped: what seems wrong is looked at again a few seconds later.
    """
    from distribute_cli.reports.soundness import report_spool
    from spoold.checking.repairing import leave, repair

    spool = current_spool(whole=False)
    findings = _check(spool, checksums)
    if mend:
        # What is made must be of the modes that everybody can read.
        os.umask(0o022)
    report = report_spool(spool.root, repair(spool, findings) if mend else leave(findings))
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report.errors_left:
        ctx.exit(ExitCode.UNSOUND)


def _check(spool: Spool, checksums: bool) -> list[Finding]:
    from spoold.checking import check

    with make_progress() as progress:
        task = progress.add_task("reading", total=None)
        return check(spool, checksums, progress=lambda size: progress.update(task, advance=size))


def _print(report: SpoolReport) -> None:
    from distribute_cli.reports.soundness import describe_finding, summarise_spool

    for finding in report.findings:
        first, *more = describe_finding(finding)
        say(clean(first))
        for line in more:
            say(f"  {clean(line)}")
    tell(clean(summarise_spool(report)))

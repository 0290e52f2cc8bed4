"""`distribute verify NS[/BATCH[/JOB]]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.errors import NotFound
from distribute_cli.exit_codes import ExitCode
from distribute_cli.output import clean, json_option, make_progress, print_json, say, tell
from distribute_cli.targets import Target, TargetType

if TYPE_CHECKING:
    from spoold.checking.verification import Difference, Place
    from spoold.spool import Spool


@click.command()
@click.argument("target", metavar="NS[/BATCH[/JOB]]", type=TargetType())
@json_option
@spool_option
@click.pass_context
def command(ctx: click.Context, target: Target, as_json: bool) -> None:
    """Compare archived results with the checksums in their records.

    Every file is read: of a job with its earlier attempts, of a batch, or of a namespace.
    """
    from distribute_cli.reports.soundness import report_results, say_difference, summarise_results

    places = _find(current_spool(whole=False), target)
    report = report_results(str(target), places, _verify(places))
    if as_json:
        print_json(report)
    else:
        for difference in report.differences:
            say(clean(say_difference(difference)))
        tell(clean(summarise_results(report)))
    if report.differences:
        ctx.exit(ExitCode.UNSOUND)


def _find(spool: Spool, target: Target) -> list[Place]:
    """Raises NotFound, also for a job that has no result yet."""
    from distribute_cli.targets import no_batch
    from spoold.checking.verification import find_results

    archive = spool.layout.archive
    if target.namespace not in spool.ops.names(archive):
        raise NotFound(f"there is no namespace {target.namespace}", f"in {archive}", "see: distribute status")
    if target.batch and target.batch not in spool.ops.names(archive / target.namespace):
        raise no_batch(spool, f"{target.namespace}/{target.batch}")
    places = find_results(spool, target.namespace, target.batch, target.job)
    if target.job and not places:
        hint = f"see why: distribute explain {target}"
        raise NotFound(f"there is no result of {target}", "", hint)
    return places


def _verify(places: list[Place]) -> list[Difference]:
    from spoold.checking.verification import verify

    with make_progress() as progress:
        task = progress.add_task("verifying", total=sum(place.size_bytes for place in places))
        found = [verify(place, lambda size: progress.update(task, advance=size)) for place in places]
    return [difference for differences in found for difference in differences]

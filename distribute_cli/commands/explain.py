"""`distribute explain NS/BATCH[/JOB]`."""

from __future__ import annotations

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.output import clean, json_option, print_json, say
from distribute_cli.targets import Target, TargetType, require_job


@click.command()
@click.argument("target", type=TargetType(at_least=2))
@json_option
@spool_option
def command(target: Target, as_json: bool) -> None:
    """Say why a batch or a job is waiting, the most telling reason first."""
    from distribute_cli.reading.evidence import read_evidence
    from distribute_cli.reports.explaining import explain

    assert target.batch is not None
    evidence = read_evidence(current_spool(), target.namespace, target.batch, target.job)
    require_job(target, [spec.name for spec in evidence.seen.jobs.jobs])
    explanation = explain(evidence, target.job)
    if as_json:
        print_json(explanation)
        return
    for reason in explanation.reasons:
        say(clean(reason.text))

"""`distribute resume`."""

from __future__ import annotations

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.output import say


@click.command()
@click.option("--node", metavar="NODE", help="The workstation; else the one that you sit at.")
@spool_option
def command(node: str | None) -> None:
    """End a pause before its time."""
    import time

    from distribute_cli.marking import choose_node, look_at_node, remove_mark
    from distribute_cli.reports.nodes import say_pause

    spool = current_spool()
    name = choose_node(spool, node, "distribute resume")
    if remove_mark(spool, spool.layout.node(name).pause):
        say(f"{name} goes on")
        return
    now = time.time()
    report = look_at_node(spool, name, now)
    by = [report.paused_by, *(pause.by for pause in report.pauses)]
    if report.paused_until is None and not report.pauses:
        say(f"{name} isn't paused")
    elif any(one.startswith("scratch") for one in by):
        say(f"{name} is {say_pause(report, now) or 'paused for some jobs by a file in its scratch folder'}")
        say("whoever touched it there may remove it there: SCRATCH/pause")
    elif report.paused_by.startswith(("owner", "schedule")):
        say(f"{name} is {say_pause(report, now)}")
        say("it goes on by itself; how long it waits stands in its nodewatch.yaml")
    else:
        say(f"{name} has been resumed already, and will notice within seconds")

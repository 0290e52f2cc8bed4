"""`distribute nodes`."""

from __future__ import annotations

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.output import json_option, print_json, print_parts, say


@click.command()
@click.option("--clear", metavar="NODE", help="Lift the quarantines of NODE: what was wrong there is mended.")
@json_option
@spool_option
def command(clear: str | None, as_json: bool) -> None:
    """Show each workstation: whether it lives, what it has, what it does, what troubles it."""
    from distribute_cli.reading.nodes import read_nodes
    from distribute_cli.rendering.nodes import draw_nodes

    if clear is not None:
        _clear(clear)
        return
    report = read_nodes(current_spool())
    if as_json:
        print_json(report)
    else:
        print_parts(list(draw_nodes(report)))


def _clear(node: str) -> None:
    import time

    from distribute_cli.marking import look_at_node, put_mark, require_node
    from distribute_cli.words import join

    spool = current_spool()
    held = look_at_node(spool, require_node(spool, node), time.time()).quarantines
    if not held:
        say(f"{node} is in no quarantine")
        return
    put_mark(spool, spool.layout.node(node).clear, "")
    batches = join([f"{one.namespace}/{one.batch}" for one in held])
    say(f"{node} may take jobs of {batches} again, within seconds if its daemon is alive")

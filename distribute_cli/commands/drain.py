"""`distribute drain NODE`."""

from __future__ import annotations

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.output import say


@click.command()
@click.argument("node")
@click.option("--undo", is_flag=True, help="Let it take jobs again.")
@spool_option
def command(node: str, undo: bool) -> None:
    """Let a workstation take no more jobs; what runs there goes on to its end."""
    import time

    from distribute_cli.marking import is_marked, look_at_node, put_mark, remove_mark, require_node
    from distribute_cli.words import count

    spool = current_spool()
    mark = spool.layout.node(require_node(spool, node)).drain
    if undo:
        removed = remove_mark(spool, mark)
        say(f"{node} takes jobs again" if removed else f"{node} wasn't drained")
        return
    if is_marked(spool, mark):
        say(f"{node} is drained already")
        return
    put_mark(spool, mark, "")
    running = len(look_at_node(spool, node, time.time()).jobs)
    say(
        f"{node} takes no more jobs; {count(running, 'job')} still there"
        if running
        else f"{node} takes no more jobs"
    )
    say(f"undo it with: distribute drain {node} --undo")

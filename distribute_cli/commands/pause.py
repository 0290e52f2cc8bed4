"""`distribute pause`."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.output import say, tell
from distribute_cli.targets import Target, TargetType

if TYPE_CHECKING:
    from distribute_cli.marking import Mark
    from spoold.spool import Spool


class DurationType(click.ParamType[float]):
    """A duration as in a job file, in seconds, not longer than a node honours."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from distribute_compute_config import format_duration, parse_duration
        from nodewatch.process.pausing import LONGEST_PAUSE_S

        try:
            duration_s = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if duration_s > LONGEST_PAUSE_S:
            longest = format_duration(LONGEST_PAUSE_S)
            self.fail(f"{value} is too long: at most {longest}; pause again when it is over.", param, ctx)
        return duration_s


@click.command()
@click.option("--duration", type=DurationType(), default="1h", help="Such as 1h30m10s; at most 4h. [1h]")
@click.option("--job", "jobs", type=TargetType(2), multiple=True, help="Only this job or batch; repeatable.")
@click.option("--node", metavar="NODE", help="The workstation; else the one that you sit at.")
@click.option("--detach", is_flag=True, help="Return at once.")
@spool_option
def command(duration: float, jobs: tuple[Target, ...], node: str | None, detach: bool) -> None:
    """Pause the jobs on a workstation, this one if no other is named.

    With --job the others go on, and the workstation takes more. A later pause takes the place of this one.

    It stays here and counts down; Ctrl-C lets the jobs go on. When the terminal is closed the pause lasts
    until its time is over.
    """
    from distribute_cli.marking import choose_node, put_mark

    spool = current_spool()
    name = choose_node(spool, node, "distribute pause")
    targets = list(map(str, jobs))
    mine = put_mark(spool, spool.layout.node(name).pause, _write(duration, targets))
    if detach:
        _announce(spool, name, targets, duration)
        say(f"end it before with: distribute resume --node {name}")
        return
    # Ctrl-C at whatever instant from here on ends the pause; any other end of this process doesn't.
    with suppress(KeyboardInterrupt):
        _announce(spool, name, targets, duration)
        _count_down(spool, name, mine, duration)
    _end(spool, name, mine)


def _write(duration_s: float, targets: list[str]) -> str:
    """The content of the mark. Raises UsageError if a node wouldn't read it to its end."""
    from distribute_compute_config import format_duration
    from nodewatch.process.pausing import MOST_CONTENT_BYTES

    text = "\n".join((format_duration(duration_s), *targets, ""))
    if len(text.encode()) > MOST_CONTENT_BYTES:
        raise click.UsageError(f"{len(targets)} jobs are too many for one pause: name their batch instead.")
    return text


def _announce(spool: Spool, name: str, targets: list[str], duration_s: float) -> None:
    from distribute_cli.marking import look_at_node
    from distribute_cli.reports.nodes import Life
    from distribute_cli.words import join, say_time
    from distribute_compute_config import format_duration

    now = time.time()
    who = f"{join(targets)} on {name} {'is' if len(targets) == 1 else 'are'}" if targets else f"{name} is"
    say(f"{who} paused for {format_duration(duration_s)}, until {say_time(now + duration_s, now)}")
    if look_at_node(spool, name, now).life is not Life.LIVE:
        tell(f"warning: the daemon of {name} doesn't seem to run; one that starts now will pause")


def _count_down(spool: Spool, name: str, mine: Mark, duration_s: float) -> None:
    from distribute_cli.counting import show_countdown
    from distribute_cli.marking import is_marked

    tell("Ctrl-C lets it go on; closing this terminal doesn't")
    show_countdown(f"{name} is paused", duration_s, lambda: not is_marked(spool, mine.path))


def _end(spool: Spool, name: str, mine: Mark) -> None:
    from distribute_cli.marking import is_marked, remove_mark

    if mine.is_there():
        # Also after its time: a daemon that starts later would take it for a new one.
        remove_mark(spool, mine.path)
    if is_marked(spool, mine.path):
        say(f"{name} was paused anew meanwhile; end that with: distribute resume --node {name}")
    else:
        say(f"{name} goes on")

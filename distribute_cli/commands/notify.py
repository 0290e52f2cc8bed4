"""`distribute notify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.output import clean, json_option, print_json, say, tell
from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from pathlib import Path

    from distribute_cli.reports.notices import NoticesReport, TrialReport
    from spoold.notices.channels import Channel


class NotTold(DistributeError):
    """A test message didn't reach anybody."""


def _check_user(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from distribute_compute_config.fields import is_matrix_id

    if value is not None and not is_matrix_id(value):
        missing = "its server is missing; " if value.startswith("@") and ":" not in value else ""
        raise click.BadParameter(f"{value!r} is no Matrix user: {missing}write @user:server")
    return value


@click.command()
@click.option(
    "--test",
    "to",
    metavar="@USER:SERVER",
    callback=_check_user,
    help="Send this user a test message, by this machine's notify.yaml.",
)
@json_option
@spool_option
@click.pass_context
def command(ctx: click.Context, to: str | None, as_json: bool) -> None:
    """Show the batches that have ended and of which nobody could be told yet, and why.

    With --test, try out notify.yaml: type it on the machine of a steward, as the service user.
    """
    if to is None:
        report = _look()
        if as_json:
            print_json(report)
        else:
            _print(report)
        return
    trial = _try_out(to)
    if as_json:
        print_json(trial)
    else:
        _print_trial(trial)
    if trial.failed:
        ctx.exit(1)


def _look() -> NoticesReport:
    from distribute_cli.reports.notices import report_notices
    from spoold.notices.outbox import read_all
    from spoold.notices.records import Box

    spool = current_spool()
    return report_notices(str(spool.root), read_all(spool, Box.WAITING), read_all(spool, Box.FAILED))


def _print(report: NoticesReport) -> None:
    import time

    from distribute_cli.reports.notices import describe_notice, summarise_notices

    now = time.time()
    for line in report.notices:
        first, *more = describe_notice(line, now)
        say(clean(first))
        for text in more:
            say(f"  {clean(text)}")
    tell(summarise_notices(report))


def _try_out(to: str) -> TrialReport:
    """Raises DistributeError where there is no way to try."""
    import secrets
    import time
    from threading import Event

    from distribute_cli.reports.notices import TrialReport, report_trial
    from spoold.notices.channels import list_channels
    from spoold.notices.settings import read_settings
    from spoold.notices.summary import make_test

    path = _require_settings()
    channels = list_channels(read_settings(path), to)
    summary = make_test(secrets.token_hex(16), to, time.time())
    tried = []
    for channel in channels:
        tell(f"{channel.name}: {_describe(channel)} …")
        tried.append(report_trial(channel.name, channel.tell(summary, 1, Event())))
    return TrialReport(to, str(path), tuple(tried))


def _require_settings() -> Path:
    from spoold.notices.places import find_settings, settings_paths

    path = find_settings()
    if path is None:
        places = " or ".join(map(str, settings_paths()))
        hint = "write one, as docs/notices.md says"
        raise NotTold("there is no notify.yaml", f"it was looked for as {places}", hint)
    return path


def _describe(channel: Channel) -> str:
    from spoold.notices.channels import MatrixChannel

    if isinstance(channel, MatrixChannel):
        return f"asking {channel.settings.homeserver}"
    return f"running {channel.settings.argv[0]}"


def _print_trial(trial: TrialReport) -> None:
    from distribute_cli.reports.notices import describe_trial

    for tried in trial.channels:
        line = clean(describe_trial(tried, trial.to))
        if tried in trial.failed:
            tell(f"error: {line}")
        else:
            say(line)
    if any(tried.channel == "matrix" for tried in trial.channels):
        return
    tell(f"there is no matrix: in {trial.settings}, so nothing was sent to {trial.to}")

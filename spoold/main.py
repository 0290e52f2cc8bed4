"""``spoold``: the steward as a daemon of its own, on the file server for instance."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from threading import Event
from types import FrameType

import click

from distribute_compute_config.errors import DistributeError

#: EX_SOFTWARE of sysexits.h.
_SOFTWARE_ERROR = 70
END_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@click.command(name="spoold")
@click.option(
    "--spool",
    envvar="DISTRIBUTE_SPOOL",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The spool (or set DISTRIBUTE_SPOOL).",
)
@click.option("--verbose", is_flag=True, help="Tell more.")
@click.version_option(package_name="distribute-lab")
def command(spool: Path, verbose: bool) -> None:
    """Admit jobs, release and close batches, and reclaim jobs of dead nodes, until a SIGTERM."""
    from spoold.daemon import StewardLoop
    from spoold.leases import require_agreement
    from spoold.spool import open_spool

    set_up_logging(verbose)
    crash_loudly()
    stop, wake = Event(), Event()
    end_on_signal(stop, wake)
    opened = open_spool(spool)
    require_agreement(opened, stop)
    StewardLoop(opened, stop, wake).run()


def set_up_logging(verbose: bool) -> None:
    """To stderr, where the service manager keeps it with the time."""
    os.umask(0o022)
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("filelock", "watchdog"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # To this one it is an error that a watched folder was removed; what its events miss, the rescan sees.
    logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)


def crash_loudly() -> None:
    """An error that nobody expected in any thread ends the daemon: half of one would look alive.

    Running jobs go on; the service manager's next start adopts them.
    """

    def crash(found: threading.ExceptHookArgs) -> None:
        name = found.thread.name if found.thread else "?"
        error = found.exc_value
        trace = None if error is None else (type(error), error, found.exc_traceback)
        logging.getLogger(__name__).critical("thread %s failed; the daemon ends", name, exc_info=trace)
        logging.shutdown()
        os._exit(_SOFTWARE_ERROR)

    threading.excepthook = crash


def end_on_signal(*orders: Event, signals: tuple[signal.Signals, ...] = END_SIGNALS) -> None:
    """Each of ``signals`` sets all of ``orders``; a second one ends the process, whatever it waits for."""

    def end(number: int, frame: FrameType | None) -> None:
        # A daemon that hangs on a file server which is gone must still be stoppable.
        signal.signal(number, signal.SIG_DFL)
        for order in orders:
            order.set()

    for number in signals:
        signal.signal(number, end)


def main() -> None:
    """The entry point: errors become one message and an exit code."""
    try:
        command(standalone_mode=True)
    except DistributeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)

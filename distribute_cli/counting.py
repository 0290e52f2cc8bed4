"""A countdown on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from spoold.polling import poll

_LOOK_EVERY_S = 1.0


def show_countdown(text: str, duration_s: float, ended: Callable[[], bool]) -> bool:
    """Count ``duration_s`` seconds down on standard error; True if ``ended`` said so before.

    ``ended`` is asked once a second.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[left]}"))
    start_s = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(text, total=duration_s, left="")

        def look() -> bool | None:
            gone_s = time.monotonic() - start_s
            progress.update(bar, completed=gone_s, left=f"{_clock(duration_s - gone_s)} left")
            return True if ended() else None

        return poll(look, duration_s, _LOOK_EVERY_S) is not None


def _clock(seconds: float) -> str:
    """``1:02:03``."""
    whole = max(0, int(seconds + 0.5))
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"

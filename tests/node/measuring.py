"""CPU time of a lab's jobs, as /proc has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support import find_runs, wait_until


def cpu_ticks(folder: Path) -> int:
    """Of all processes of the runs below ``folder``, in clock ticks."""
    return sum(ticks_of(pid) for pid, _ in find_runs(folder))


def ticks_of(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])


def grows(look: Callable[[], int], within_s: float) -> bool:
    """Whether what ``look`` counts becomes more within that time."""
    before = look()
    try:
        wait_until(lambda: look() > before, within_s)
    except AssertionError:
        return False
    return True

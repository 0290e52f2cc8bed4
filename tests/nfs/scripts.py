"""Jobs for the guests: what they print and save is their own name, and they leave a trace of each start."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

_RESULT = 'echo "$DISTRIBUTE_JOB"; echo "$DISTRIBUTE_JOB" > "$DISTRIBUTE_SAVE/result.txt"'


class Jobs:
    """Commands whose starts are counted in ``folder``, which this machine and all guests see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def quick(self, names: list[str], after_s: float = 0.0) -> dict[str, str]:
        """Jobs that end ``after_s`` seconds after their start."""
        wait = f"sleep {after_s}; " if after_s else ""
        return dict.fromkeys(names, f"{self._trace()}; {wait}{_RESULT}")

    def gated(self, names: list[str]) -> dict[str, str]:
        """Jobs that wait until ``open_gate`` was called for the guest that they run in."""
        gate = f'until [ -e "{self.folder}/open.$host" ]; do sleep 0.2; done'
        return dict.fromkeys(names, f"{self._trace()}; {gate}; {_RESULT}")

    def open_gate(self, host: str) -> None:
        (self.folder / f"open.{host}").touch()

    def _trace(self) -> str:
        return (
            f'read host < /etc/hostname; : > "{self.folder}/ran.$DISTRIBUTE_JOB.$DISTRIBUTE_ATTEMPT.$host.$$"'
        )

    def starts(self) -> Counter[str]:
        """How often each job was started, anywhere."""
        return Counter(path.name.split(".")[1] for path in self.folder.glob("ran.*"))

    def runs_on(self, host: str) -> list[str]:
        """The jobs that were started in a guest."""
        return [path.name.split(".")[1] for path in self.folder.glob(f"ran.*.{host}.*")]


def results(commands: dict[str, str]) -> dict[str, str]:
    """What each job prints."""
    return {job: f"{job}\n" for job in commands}

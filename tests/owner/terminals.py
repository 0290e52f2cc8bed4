"""A person at a terminal, as a real one: a pseudo-terminal with a program that reads what is typed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Terminal:
    """One that is open; ``type`` blocks until what is typed has been read."""

    keyboard: int
    device: Path

    def type(self) -> None:
        os.write(self.keyboard, b"x\n")
        # Once for the terminal itself, once for the program.
        seen = b""
        while seen.count(b"x") < 2:
            seen += os.read(self.keyboard, 1024)

    def set_idle(self, accessed_at: float) -> None:
        """As if the last input had come then."""
        os.utime(self.device, (accessed_at, accessed_at))


@contextmanager
def open_terminal(env: Mapping[str, str] | None = None, program: str = "cat") -> Iterator[Terminal]:
    """With a shell command in it, which repeats what is typed and has it as its controlling terminal."""
    keyboard, screen = os.openpty()
    device = Path(os.ttyname(screen))
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", "sh", "-c", f"{program}; true"],
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env={"PATH": os.environ["PATH"], **(env or {})},
    )
    os.close(screen)
    terminal = Terminal(keyboard, device)
    try:
        # Once it repeats what is typed, it has the terminal.
        terminal.type()
        yield terminal
    finally:
        # It hangs up.
        os.close(keyboard)
        process.wait(20)

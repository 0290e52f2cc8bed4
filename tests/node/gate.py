"""A job that a test holds by its hand."""

from __future__ import annotations

from pathlib import Path

from tests.support import wait_until


class Gate:
    """A job that says when it begins, and ends when it is let go; it logs every time that it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    @property
    def command(self) -> str:
        return (
            f"echo $DISTRIBUTE_JOB~$DISTRIBUTE_ATTEMPT >> {self.folder}/log; echo begun; echo 1 > distribute_save/x; "
            f"while ! test -e {self.folder}/go; do sleep 0.05; done; echo ended"
        )

    @property
    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().split() if path.exists() else []

    def wait_begun(self, count: int = 1) -> None:
        wait_until(lambda: len(self.log) >= count, what=f"{self.folder} has begun")

    def open(self) -> None:
        (self.folder / "go").touch()

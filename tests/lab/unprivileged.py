"""Runs a program as the user nobody, who may read this checkout and its Python wherever they are.

Where a folder on the way is closed to others, as /root is, the program sees one that is open and empty but for
what it needs: in a mount namespace of its own, so that nobody else sees anything of it.

    python -m tests.lab.unprivileged PROGRAM ARGUMENT…
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

NOBODY = 65534


def command(argv: Iterable[str]) -> list[str]:
    """The command line that runs ``argv`` as nobody; the process is the program's own."""
    return ["unshare", "--mount", sys.executable, "-m", "tests.lab.unprivileged", *argv]


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way to ``path`` that others may not enter."""
    for folder in [*reversed(path.parents), path]:
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def _open_ways(needed: Iterable[Path]) -> None:
    behind: dict[Path, list[Path]] = {}
    for path in needed:
        closed = closed_folder(path)
        if closed:
            behind.setdefault(closed, []).append(path)
    for closed, paths in behind.items():
        aside = tempfile.mkdtemp(prefix="aside-")
        _mount("--bind", str(closed), aside)
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(closed))
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)
            _mount("--bind", str(Path(aside) / path.relative_to(closed)), str(path))
        subprocess.run(["umount", aside], check=True)
        Path(aside).rmdir()


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main() -> None:
    _open_ways({Path(sys.base_prefix).resolve(), Path(sys.prefix), Path(__file__).resolve().parents[2]})
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()

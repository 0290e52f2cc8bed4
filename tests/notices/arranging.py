"""A lab of real daemons whose user has a ``notify.yaml``."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from spoold.notices import outbox
from spoold.notices.records import Box, Notice
from spoold.notices.summary import Summary
from tests.lab import FAST, Lab
from tests.support import wait_until

#: Looks at the outbox come every second.
QUICK = replace(FAST, rescan_s=0.05)
SUMMARY = Summary(
    "test",
    "1" * 32,
    "ns",
    "b",
    "anna",
    None,
    "/spool",
    1.0,
    2.0,
    1.0,
    1,
    {},
    {},
    (),
    (),
    "distribute pull ns/b",
)


def configure(lab: Lab, **values: Any) -> None:
    """Write the ``notify.yaml`` of the user who runs the lab's daemons."""
    folder = lab.folder / ".config" / "distribute"
    folder.mkdir(parents=True, exist_ok=True)
    # Every JSON text is a YAML text.
    (folder / "notify.yaml").write_text(json.dumps(values))


def matrix_section(lab: Lab, url: str, user: str, token: str, mode: int = 0o600) -> dict[str, str]:
    """The section ``matrix`` for this user; the token's file is made, too."""
    path = lab.folder / "token"
    path.write_text(f"{token}\n")
    path.chmod(mode)
    return {"homeserver": url, "user": user, "token_file": str(path)}


def notices(lab: Lab, box: Box) -> list[Notice]:
    return outbox.read_all(lab.spool, box)


def wait_for(lab: Lab, box: Box, number: int = 1, within_s: float = 30.0) -> list[Notice]:
    """Until so many notices lie there, and none waits any more (unless they wait)."""

    def look() -> bool:
        return len(notices(lab, box)) == number and (box is Box.WAITING or not notices(lab, Box.WAITING))

    lab.wait(look, within_s, f"{number} notices are {box.value}")
    return notices(lab, box)


@contextmanager
def deaf_server() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def find_children(pid: int, word: str) -> list[int]:
    """The processes below ``pid`` whose command line has ``word``."""
    import psutil

    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if any(word in one for one in child.cmdline()):
                found.append(child.pid)
        except psutil.Error:
            continue
    return found


def wait_for_child(pid: int, word: str) -> int:
    return wait_until(lambda: find_children(pid, word), 20.0, what=f"a child that runs {word}")[0]


def all_text(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below, with what it holds."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()

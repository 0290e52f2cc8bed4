"""A daemon that is killed at any step of its own on the spool's disk: its job runs once, and ends once.

One daemon's steps are recorded, from its start over a build and a job to its end; then others die at each of them.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from spoold.checking import Severity, check
from spoold.tickets import State
from tests.lab import Daemon, Lab
from tests.support import wait_until

DYING = str(Path(__file__).with_name("dying.py"))
RECORDED = "recorded"
SAMPLE = 12
#: Names that no other run has: only how many there were before says which one is meant.
PRIVATE = re.compile(r"/tmp/[^/]+")
#: Every so often, however long the daemon lives.
PERIODIC = ("running.json", "spool-full")


def find_points(recorded: Iterable[str], root: Path) -> Iterator[str]:
    """After each step, by the last path of the first one like it; ``RECORDED`` stands for the batch's name."""
    seen: Counter[str] = Counter()
    for line in recorded:
        operation, path = line.rstrip("\n").split(" ", 1)
        path = path.removeprefix(str(root.parent))
        private = PRIVATE.search(path)
        text = f"{path[: private.start()]}/tmp/" if private else f"{path}$"
        seen[f"{operation} {text}"] += 1
        if (private or operation == "flush" or seen[f"{operation} {text}"] == 1) and not path.endswith(
            PERIODIC
        ):
            yield f"after {operation} {text} {seen[f'{operation} {text}']}"


def start(lab: Lab, point: str) -> Daemon:
    return lab.node("alpha", "--no-steward", before=(sys.executable, DYING, point), ready=False)


def submit(lab: Lab, name: str, folder: Path) -> str:
    command = (
        f"echo 1 >> {folder / name}; echo out; mkdir distribute_save/sub; echo 1 > distribute_save/sub/x"
    )
    return lab.batch(name, {"a": command}, build="echo building")


def finish(lab: Lab, key: str, daemon: Daemon) -> None:
    """Until the batch is closed, the daemon's disk is tidy, and it has ended; it may die before."""
    closed = lab.spool.layout.finished_batch(*key.split("/")).path
    over = lambda: (closed.exists() and not daemon.attempts()) or daemon.process.poll() is not None  # noqa: E731
    lab.wait(over, 40.0, f"{key} is finished, or its daemon has died")
    daemon.terminate()


@pytest.fixture
def points(lab: Lab, tmp_path: Path) -> list[str]:
    lab.steward()
    log = tmp_path / "steps"
    key = submit(lab, RECORDED, tmp_path)
    finish(lab, key, start(lab, f"record {log}"))
    return list(dict.fromkeys(find_points(log.read_text().splitlines(), lab.spool.root)))


def die(lab: Lab, folder: Path, number: int, point: str) -> bool:
    """Whether the point came; whatever it was, the next daemon goes on."""
    name = f"dies{number}"
    key = submit(lab, name, folder)
    died = start(lab, point.replace(RECORDED, name))
    finish(lab, key, died)
    assert died.wait() in (0, -9), f"{point}:\n{died.said}"
    successor = lab.node("alpha", "--no-steward")
    tickets = lab.wait_finished(key)
    assert [len(names) for names in tickets.values()] == [1], point
    assert set(tickets) == {State.DONE}, point
    assert (folder / name).read_text() == "1\n", f"{point}: it ran once"
    assert (lab.text(key, "a", "stdout.txt"), lab.text(key, "a", "sub/x")) == ("out\n", "1\n"), point
    assert lab.spool.layout.build_output("lab", name, "alpha").read_text() == "building\n", point
    wait_until(lambda: not successor.attempts(), what=f"{point}: the disk is tidy")
    assert successor.terminate() == 0
    assert [f for f in check(lab.spool) if f.severity is Severity.ERROR] == [], point
    return died.wait() == -9


def die_at_all(lab: Lab, folder: Path, points: list[str]) -> None:
    came = [die(lab, folder, number, point) for number, point in enumerate(points)]
    # Threads don't always do as much: a point or two may never come.
    assert sum(came) >= 0.8 * len(points), [p for p, there in zip(points, came, strict=True) if not there]


@pytest.mark.timeout(400)
def test_some_steps(lab: Lab, tmp_path: Path, points: list[str]) -> None:
    assert len(points) > 20
    die_at_all(lab, tmp_path, points[:: -(-len(points) // SAMPLE)])


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_every_step(lab: Lab, tmp_path: Path, points: list[str]) -> None:
    die_at_all(lab, tmp_path, points)

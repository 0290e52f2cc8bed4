"""A node that ends by itself, and a private spool whose node is started when it is needed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from distribute_compute_config import load_text
from nodewatch.idling import IdleExit
from spoold.layout import SETTINGS_NAME
from spoold.local_node import LocalNode, NodeFailed, NodeOptions
from spoold.private import QUICK, NotPrivate, PrivateSpool, open_private, submit
from spoold.snapshot import find_batch, read_node, read_record, read_tickets
from spoold.tickets import State
from tests.lab import Lab
from tests.support import find_runs, wait_until

_BRIEFLY = NodeOptions(cores=2, idle_exit_s=0.2)


@dataclass
class Desk:
    """A private spool, the processes of whose nodes end with the test."""

    private: PrivateSpool

    def node(self, options: NodeOptions = _BRIEFLY) -> LocalNode:
        return LocalNode(self.private, options)

    def submit(self, name: str, **jobs: str) -> None:
        """A batch ``desk/NAME`` with these commands."""
        listed = "\n".join(f"    - {{name: {job}, command: {text!r}}}" for job, text in jobs.items())
        text = f"meta: {{namespace: desk, batch_name: {name}}}\ncommand:\n  jobs:\n{listed}\n"
        submit(self.private, load_text(text, "jobs.yaml"), self.private.folder)

    def has_ended(self, name: str) -> bool:
        ref = find_batch(self.private.spool, "desk", name)
        return ref is not None and ref.finished

    def state(self, name: str, job: str) -> State | None:
        ref = find_batch(self.private.spool, "desk", name)
        return read_tickets(self.private.spool, ref.folder).latest()[job][0] if ref else None

    def said(self) -> str:
        return self.node().log.read_text() if self.node().log.exists() else ""

    def wait_for(self, look: Callable[[], object], what: str, within_s: float = 20.0) -> None:
        try:
            wait_until(look, within_s, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from error


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(open_private(tmp_path / "private"))
    yield desk
    if desk.node().lives():
        desk.node().stop(20)
    assert not desk.node().lives()


# The private spool


def test_a_private_spool_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "mine"
    folder.mkdir(parents=True, mode=0o755)
    private = open_private(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (private.spool.root / "incoming" / "x").touch()
    again = open_private(folder)
    assert (again.spool.root / "incoming" / "x").exists()
    assert again.spool.settings == private.spool.settings == QUICK


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_holds_no_private_spool(tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").mkdir()
    if kind == "link":
        (tmp_path / "private").symlink_to(tmp_path / "there")
    else:
        (tmp_path / "private").touch()
    with pytest.raises(NotPrivate, match="a link or a file"):
        open_private(tmp_path / "private")
    assert not list((tmp_path / "there").iterdir())


def test_one_that_was_never_finished_is_made_anew(tmp_path: Path) -> None:
    private = open_private(tmp_path / "private")
    (private.spool.root / SETTINGS_NAME).unlink()
    (private.spool.root / "incoming" / "x").touch()
    open_private(tmp_path / "private")
    assert not (private.spool.root / "incoming" / "x").exists()


def test_many_make_one_spool_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(open_private, [tmp_path / "private"] * 8))
    assert len({one.spool.root for one in found}) == 1


# Ending by itself


class Script:
    """What ``IdleExit`` sees: each look is whether the node is needed; what it did is kept in order."""

    def __init__(self, *looks: bool, door: bool = True) -> None:
        self.looks, self.door = list(looks), door
        self.now_s = 0.0
        self.did: list[str] = []
        self.exit = IdleExit(
            10.0, self.needed, self.lock, lambda: self.did.append("unlock"), lambda: self.now_s
        )

    def needed(self) -> bool:
        self.did.append("look")
        return self.looks.pop(0)

    def lock(self) -> bool:
        self.did.append("lock")
        return self.door

    def is_due(self, at_s: float) -> bool:
        self.now_s = at_s
        return self.exit.is_due()


def test_idle_time_counts_from_the_last_need() -> None:
    script = Script(False, True, False, False, False)
    assert [script.is_due(at_s) for at_s in (9, 11, 20, 21.5)] == [False, False, False, True]


def test_what_came_before_the_door_was_locked_is_seen() -> None:
    script = Script(False, True)
    assert not script.is_due(10)
    assert script.did == ["look", "lock", "look", "unlock"]


def test_who_stands_at_the_door_is_waited_for() -> None:
    script = Script(False, False, False, door=False)
    assert not script.is_due(10)
    assert script.did == ["look", "lock"]
    script.door = True
    assert not script.is_due(19)
    script.looks = [False, False]
    assert script.is_due(20.5)


def test_the_door_stays_locked_at_the_end_and_is_opened_after_an_error() -> None:
    script = Script(False, False)
    assert script.is_due(10)
    assert script.did == ["look", "lock", "look"]
    broken = Script(False)
    with pytest.raises(IndexError):
        broken.is_due(10)
    assert broken.did[-1] == "unlock"


def test_a_node_ends_when_nothing_is_left(desk: Desk) -> None:
    desk.submit("hello", one="sleep 0.7; echo one", two="echo two")
    node = desk.node()
    assert node.ensure()
    node.wait_ready()
    # Idle for longer than it waits only once both jobs have ended.
    desk.wait_for(lambda: not node.lives(), "the node ends")
    assert desk.has_ended("hello")
    assert "nothing to do for 0.2s" in desk.said()
    assert " ERROR " not in desk.said()
    assert not desk.private.spool.layout.node("local").lease.exists()


def test_a_batch_that_waits_for_another_keeps_a_node(lab: Lab) -> None:
    held = lab.batch("held", {"one": "true"}, after=["lab/first"])
    node = lab.node("alpha", "--idle-exit", "0.3s", ready=False)
    lab.wait_state(held, "one", State.HELD)
    lab.batch("foreign", {"one": "true"}, capabilities=["quantum"])
    lab.batch("first", {"one": "true"})
    lab.wait_finished(held)
    # What it can't run is for others.
    assert node.wait() == 0
    assert lab.state("lab/foreign", "one") is State.PENDING


def test_a_drop_that_is_still_copied_keeps_a_node(lab: Lab) -> None:
    growing = lab.spool.layout.incoming / "late.yaml"
    growing.write_text("meta: {namespace: lab, batch_name: late}\n")
    node = lab.node("alpha", "--idle-exit", "0.3s")
    with growing.open("a") as file:
        with pytest.raises(subprocess.TimeoutExpired):
            node.wait(within_s=1.5)
        file.write("command: {jobs: [{name: one, command: 'true'}]}\n")
    lab.wait_finished("lab/late")
    assert node.wait() == 0


# Started on demand


def test_one_node_however_many_ask(desk: Desk) -> None:
    nodes = [desk.node(NodeOptions(cores=1, idle_exit_s=30)) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda node: node.ensure(), nodes))
    assert started.count(True) == 1
    starter = nodes[started.index(True)]
    starter.wait_ready()
    info = read_node(desk.private.spool, "local")
    assert info is not None and info.pid == starter.pid
    assert "used by another" not in desk.said()
    starter.stop(20)
    assert starter.pid is None


def test_what_configures_a_node_of_the_lab_does_not_count(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = desk.private.folder / "config" / "distribute" / "nodewatch.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("name: bench\ncores: 1\nowner: true\nnonsense: 1\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config.parents[1]))
    monkeypatch.setenv("NODEWATCH_CORES", "none")
    node = desk.node(NodeOptions(cores=3, capabilities=("quantum",), idle_exit_s=30))
    node.ensure()
    node.wait_ready()
    info = read_node(desk.private.spool, "local")
    assert info is not None and info.cores == 3 and "quantum" in info.capabilities


def test_a_module_in_the_working_folder_is_not_taken_for_ours(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('a job of mine')")
    monkeypatch.chdir(tmp_path)
    desk.node(NodeOptions(idle_exit_s=30)).ensure()


def test_a_node_that_fails_is_told(desk: Desk) -> None:
    desk.node().scratch.mkdir()
    (desk.node().scratch / "thesis.tex").touch()
    with pytest.raises(NodeFailed, match=r"thesis\.tex"):
        desk.node().ensure()


def test_a_node_that_was_killed_is_replaced_and_its_job_goes_on(desk: Desk, tmp_path: Path) -> None:
    go, count = tmp_path / "go", tmp_path / "count"
    desk.submit("long", one=f"echo x >> {count}; until test -e {go}; do sleep 0.05; done")
    first = desk.node()
    first.ensure()
    desk.wait_for(count.exists, "the job runs")
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    desk.wait_for(lambda: not first.lives(), "it is dead")
    second = desk.node()
    assert second.ensure()
    go.touch()
    desk.wait_for(lambda: desk.has_ended("long"), "the job ends")
    assert count.read_text() == "x\n"
    assert first.wait_end(20)


# On a leash


@contextmanager
def leash() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; closed at the end if they aren't yet."""
    ours, theirs = os.pipe()
    try:
        yield ours, theirs
    finally:
        for end in (ours, theirs):
            try:
                os.close(end)
            except OSError:
                continue


def test_a_node_on_a_leash_ends_with_its_jobs(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    desk.submit(
        "long", one=f"trap 'echo told >> {mark}; exit 1' TERM; touch {mark}; while :; do sleep 0.05; done"
    )
    with leash() as (read, write):
        node = desk.node(NodeOptions(cores=1, leash=read))
        node.ensure()
        desk.wait_for(mark.exists, "the job runs")
        os.close(write)
        assert node.wait_end(20), desk.said()
    assert mark.read_text() == "told\n"
    assert find_runs(desk.private.folder) == []
    assert desk.state("long", "one") is State.PENDING
    assert not desk.private.spool.layout.node("local").lease.exists()


def test_a_leash_is_held_by_the_process_that_started_the_node(tmp_path: Path) -> None:
    """Whatever becomes of that process."""
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from spoold.local_node import LocalNode, NodeOptions\n"
        "from spoold.private import open_private\n"
        "read, write = os.pipe()\n"
        "node = LocalNode(open_private(Path(sys.argv[1])), NodeOptions(leash=read))\n"
        "node.ensure(); node.wait_ready(); os.close(read); print('ready', flush=True); time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "private")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        node = LocalNode(open_private(tmp_path / "private"), NodeOptions())
        assert node.lives()
        process.kill()
    try:
        assert node.wait_end(20)
    finally:
        if node.lives():
            node.stop(20)


# Jobs that come while a node is about to end


@pytest.mark.parametrize("people", [1, 3])
def test_no_job_is_stranded_when_its_node_is_about_to_end(desk: Desk, tmp_path: Path, people: int) -> None:
    """Batches come at all distances, around the instant at which the node decides to end."""
    rounds, names = 5, [f"b{number}" for number in range(people)]
    count, starts = tmp_path / "count", 0
    for number in range(rounds):

        def work(name: str) -> bool:
            desk.submit(f"{name}-{number}", one=f"echo {name}-{number} >> {count}")  # noqa: B023
            return desk.node(NodeOptions(cores=2, idle_exit_s=0.01)).ensure()

        with ThreadPoolExecutor(people) as pool:
            starts += sum(pool.map(work, names))
        for name in names:
            desk.wait_for(lambda batch=f"{name}-{number}": desk.has_ended(batch), name)  # type: ignore[misc]
        # The node is idle from here on; the next jobs come a little later each time.
        later_s = time.monotonic() + 0.07 * number
        wait_until(lambda later_s=later_s: time.monotonic() > later_s)  # type: ignore[misc]
    assert sorted(count.read_text().split()) == sorted(f"{name}-{n}" for name in names for n in range(rounds))
    records = [
        read_record(desk.private.spool, place)
        for place in desk.private.spool.layout.archive.glob("desk/*/one")
    ]
    assert [record.attempt for record in records if record] == [1] * people * rounds
    desk.wait_for(lambda: not desk.node().lives(), "the last one ends")
    assert desk.said().count("nothing to do for") == starts > 1

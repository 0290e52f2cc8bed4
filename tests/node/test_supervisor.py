"""A supervisor and real runs, without a spool: jobs paused one by one, and how long each stood still."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodewatch.evicting import Checkpoint, plan_checkpoint, read_eviction
from nodewatch.owner.policy import Aside, Stance
from nodewatch.process import Launcher, Run, RunSpec, Touch, adopt, find_processes, read_exit, stop
from nodewatch.scratch import Scratch
from nodewatch.supervisor import Supervisor
from spoold.records import JobSpec
from tests.node.measuring import grows, ticks_of
from tests.support import find_runs, wait_until

KEYS = ("anna/hello/one~1@alpha", "anna/hello/two~1@alpha", "bert/other/one~1@alpha")
BURN = "import signal; signal.alarm(100)\nwhile True: pass"


class Place:
    """A scratch folder with a burning run for each of ``KEYS``."""

    def __init__(self, folder: Path, launcher: Launcher) -> None:
        self.scratch = Scratch(folder, 0)
        self.scratch.make(Path("/nowhere/spool"))
        self.runs = {key: self._start(launcher, key) for key in KEYS}
        self._pids = {key: find_processes(run)[0][0] for key, run in self.runs.items()}

    def _start(self, launcher: Launcher, key: str) -> Run:
        run_dir = self.scratch.runs / key.partition("@")[0]
        run_dir.mkdir(parents=True)
        argv = (sys.executable, "-S", "-c", BURN)
        env = {"PATH": os.environ["PATH"]}
        return launcher.launch(run_dir, RunSpec(argv, run_dir, env, run_dir / "out", run_dir / "out"))

    def supervise(self) -> Supervisor:
        supervisor = Supervisor(self.scratch)
        for key, run in self.runs.items():
            supervisor.add(key, run)
        supervisor.start()
        return supervisor

    def burns(self, key: str, within_s: float = 1.0) -> bool:
        return grows(lambda: ticks_of(self._pids[key]), within_s)

    def stands(self, *keys: str) -> None:
        """Within a second these stand still, and all others burn."""
        wait_until(lambda: not any(self.burns(key, 0.1) for key in keys), 1.5, every_s=0.0)
        assert [key for key in KEYS if self.burns(key, 0.3 if key in keys else 3.0)] == [
            key for key in KEYS if key not in keys
        ]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Launcher() as launcher:
        place = Place(tmp_path / "scratch", launcher)
        yield place
        for run in place.runs.values():
            stop(run, "the test is over")
            assert run.wait(10.0)
            run.close()
    assert not find_runs(tmp_path)


def test_each_job_is_paused_by_itself(place: Place) -> None:
    supervisor = place.supervise()
    pause = place.scratch.pause
    one, two, other = KEYS
    for content, stopped in (
        ("two", [two]),
        ("10m anna/hello/one", [one]),
        ("anna/hello", [one, two]),
        ("one", [one, other]),
        ("all", list(KEYS)),
        ("nonsense", list(KEYS)),
        ("bert/other", [other]),
    ):
        pause.write_text(content)
        place.stands(*stopped)
        whole = len(stopped) == len(KEYS)
        assert (supervisor.paused() is not None) is whole
        assert [key for key in KEYS if supervisor.paused_job(key)] == stopped
        assert ("bert/other" in supervisor.barred()) is (content == "bert/other")
    pause.unlink()
    place.stands()
    supervisor.close()


def test_the_longer_pause_counts_for_each_job(place: Place) -> None:
    """One door names a job, the other stops the node for a shorter time."""
    supervisor = place.supervise()
    place.scratch.pause.write_text("2h two")
    place.stands(KEYS[1])
    supervisor.see_spool_pause(Touch(1, 1, "1s"))
    assert supervisor.paused() is not None
    views = [supervisor.paused_job(key) for key in KEYS]
    assert [view.by if view else "" for view in views] == ["spool", "scratch", "spool"]
    wait_until(lambda: supervisor.paused() is None, 3.0)
    place.stands(KEYS[1])
    supervisor.close()


def test_the_time_in_pauses_is_known_to_every_daemon(place: Place) -> None:
    """Also the time in which no daemon was there and the processes stood still."""
    one, two, _ = KEYS
    supervisor = place.supervise()
    assert supervisor.paused_s(one) == 0.0
    place.scratch.pause.write_text("two")
    place.stands(two)
    begun_s = time.monotonic()
    supervisor.close()
    # A daemon of the same boot, some time later.
    wait_until(lambda: time.monotonic() - begun_s > 1.0)
    adopted = {key: adopt(run.run_dir) for key, run in place.runs.items()}
    supervisor = Supervisor(place.scratch)
    for key, run in adopted.items():
        assert run is not None
        supervisor.adopt_paused(key)
        supervisor.add(key, run)
    assert supervisor.paused_s(two) >= time.monotonic() - begun_s > 1.0
    supervisor.start()
    place.stands(two)
    place.scratch.pause.unlink()
    place.stands()
    seen = [supervisor.paused_s(two)]
    assert seen[0] > 1.0 and supervisor.paused_s(one) == 0.0
    # Between two pauses it stands, and it never gets less.
    assert supervisor.paused_s(two) == seen[0]
    place.scratch.pause.touch()
    place.stands(*KEYS)
    seen += [supervisor.paused_s(two), supervisor.paused_s(two)]
    assert seen == sorted(seen) and seen[1] > seen[0]
    supervisor.close()
    for run in adopted.values():
        assert run is not None
        run.close()


CATCH = """
import signal, sys
def save(*_): open("saved", "w").write("all"); sys.exit(3)
signal.signal(signal.SIGUSR1, save)
signal.alarm(100)
print("ready", flush=True)
while True: pass
"""


def test_what_stands_still_is_woken_to_be_evicted(place: Place, tmp_path: Path) -> None:
    """As an owner's policy wants it: everything ends, at once or after its checkpoint."""
    run_dir = place.scratch.runs / "anna" / "hello" / "catches~1"
    run_dir.mkdir()
    argv = (sys.executable, "-S", "-c", CATCH)
    env = {"PATH": os.environ["PATH"]}
    supervisor = place.supervise()
    with Launcher() as launcher:
        run = launcher.launch(run_dir, RunSpec(argv, run_dir, env, run_dir / "out", run_dir / "err"))
        wait_until(lambda: "ready" in (run_dir / "out").read_text())
        supervisor.add("anna/hello/catches~1@alpha", run, checkpoint=Checkpoint(signal.SIGUSR1, 60.0))
        place.scratch.pause.touch()
        place.stands(*KEYS)
        supervisor.step_aside(Aside(Stance.EVICT, "owner", "a key was hit"))
        with run:
            assert run.wait(5.0)
    for stopped in place.runs.values():
        assert stopped.wait(5.0)
        ended = read_exit(stopped.run_dir)
        assert ended and ended.kill_reason == "evicted: owner: a key was hit"
    ended = read_exit(run_dir)
    assert ended and (ended.exit_code, ended.kill_reason) == (3, None)
    assert (run_dir / "saved").read_text() == "all"
    eviction = read_eviction(run_dir)
    assert eviction and eviction.reason == "evicted: owner: a key was hit"
    supervisor.close()


@pytest.mark.parametrize(
    ("on_evict", "asked_s", "most_s", "planned"),
    [
        (None, 20.0, 30.0, None),
        ("SIGNONE", None, 30.0, None),
        ("SIGUSR2", None, 30.0, Checkpoint(signal.SIGUSR2, 30.0)),
        ("SIGUSR1", 20.0, 30.0, Checkpoint(signal.SIGUSR1, 20.0)),
        ("SIGUSR1", 600.0, 30.0, Checkpoint(signal.SIGUSR1, 30.0)),
    ],
)
def test_what_a_job_gets(
    on_evict: str | None, asked_s: float | None, most_s: float, planned: Checkpoint | None
) -> None:
    job = JobSpec("a", on_evict=on_evict, evict_grace_s=asked_s)
    assert plan_checkpoint(job, most_s) == planned

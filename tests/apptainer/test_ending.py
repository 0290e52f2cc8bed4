"""However a job in a container ends, it gets its grace, and nothing of it stays: no process, no mount."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from spoold.records import EndedBy
from spoold.tickets import State
from tests.apptainer.container_lab import Container, ContainerLab, wait_up
from tests.support import wait_until

#: Waits to be ended, and reads from the image then.
SAVES = """\
trap 'md5sum < /bin/busybox > /distribute_save/seen; exit 3' TERM USR1
md5sum < /bin/busybox > /distribute_save/before
touch /distribute_save/up
while :; do sleep 0.1; done
"""
WAITS = "touch /distribute_save/up; sleep 600 & setsid sleep 601 & while :; do sleep 0.1; done"
HOGS = "awk 'BEGIN { s = \"x\"; while (length(s) < 3e8) s = s s; while (1); }'"


def wait_gone(lab: ContainerLab, container: Container) -> None:
    wait_until(lambda: not container.processes(), what=f"nothing of it is left: {container.processes()}")
    assert lab.living() == []
    wait_until(lambda: not lab.mounts(), what=f"nothing is mounted: {lab.mounts()}")


def test_a_killed_job_has_its_image_while_it_saves(shared: ContainerLab) -> None:
    key = shared.containers("killed", {"a": SAVES})
    container = wait_up(shared, shared.daemons[0], key, "a")
    assert len(container.own()) >= 1
    shared.kill(key, reason="enough")
    assert shared.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}
    assert shared.text(key, "a", "seen") == shared.text(key, "a", "before")
    record = shared.record(key, "a")
    assert (record.ending, record.exit_code, record.reason) == (EndedBy.KILLED, 3, "cancelled: enough")
    wait_gone(shared, container)


def test_a_paused_job_is_killed_and_saves_before(shared: ContainerLab) -> None:
    key = shared.containers("paused", {"a": SAVES})
    node = shared.daemons[0]
    container = wait_up(shared, node, key, "a")
    (node.scratch / "pause").touch()
    shared.wait(lambda: shared.phase("alpha") == "paused", 5, "it is paused")
    shared.kill(key)
    assert shared.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}
    (node.scratch / "pause").unlink()
    assert shared.text(key, "a", "seen") == shared.text(key, "a", "before")
    wait_gone(shared, container)


def test_a_job_is_killed_with_all_that_it_started(shared: ContainerLab) -> None:
    key = shared.containers("family", {"a": WAITS})
    container = wait_up(shared, shared.daemons[0], key, "a")
    shared.kill(key)
    assert shared.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}
    wait_gone(shared, container)


def test_limits_of_time_and_memory_hold(shared: ContainerLab) -> None:
    key = shared.containers("long", {"a": WAITS}, resources={"time": "1s"})
    assert shared.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    assert shared.record(key, "a").ending is EndedBy.TIME_LIMIT
    key = shared.containers("large", {"a": HOGS}, resources={"memory": "100M"})
    assert shared.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    record = shared.record(key, "a")
    assert record.ending is EndedBy.OUT_OF_MEMORY
    assert record.peak_memory_bytes > 100 << 20
    assert shared.living() == []
    wait_until(lambda: not shared.mounts(), what=f"nothing is mounted: {shared.mounts()}")


def test_a_job_outlives_its_daemon_and_the_next_one_ends_it(lab: ContainerLab) -> None:
    key = lab.containers("adopted", {"a": SAVES})
    first = lab.node("alpha")
    container = wait_up(lab, first, key, "a")
    first.kill()
    lab.node("alpha")
    assert container.own()
    lab.kill(key)
    assert lab.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}
    assert lab.text(key, "a", "seen") == lab.text(key, "a", "before")
    wait_gone(lab, container)


@pytest.mark.parametrize("struck", ["runner", "makers", "all but the image"])
def test_nothing_stays_when_the_runner_is_killed(lab: ContainerLab, struck: str) -> None:
    """Alone; with what made the container; with all but what serves the image to a user who isn't root."""
    key = lab.containers("orphaned", {"a": WAITS})
    node = lab.node("alpha")
    container = wait_up(lab, node, key, "a")
    own = {process.pid for process in container.own()}
    others = {process.pid for process in container.processes()} - own
    image = {pid for pid in others if "squashfuse" in Path(f"/proc/{pid}/cmdline").read_text()}
    assert bool(image) == (lab.uid is not None or os.geteuid() != 0)
    with_it: dict[str, set[int]] = {"makers": others - image, "all but the image": own | others - image}
    struck_down = [container.runner(), *with_it.get(struck, ())]
    # Stopped first, so that none of them tidies up after another.
    for signum in (signal.SIGSTOP, signal.SIGKILL):
        for pid in struck_down:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
    wait_until(lambda: not container.processes(), what=f"nothing is left: {container.processes()}")
    lab.kill(key)
    lab.wait_finished(key)
    wait_gone(lab, container)


def test_an_evicted_job_saves_before_it_ends(lab: ContainerLab) -> None:
    """By a signal on which what serves the image would end."""
    wishes = {"on_evict": "SIGTERM", "evict_grace": "10s", "resume": True}
    key = lab.containers("evicted", {"a": SAVES}, **wishes)
    node = lab.node("alpha", "--pause", "evict")
    container = wait_up(lab, node, key, "a")
    (node.scratch / "pause").touch()
    saved = lab.spool.layout.archive / ".resume" / key / "a~1" / "seen"
    lab.wait(saved.exists, 10, "what it saved is kept")
    assert saved.read_text() == saved.with_name("before").read_text()
    wait_gone(lab, container)

"""What a job in a container gets, and what is kept of it."""

from __future__ import annotations

import time
from pathlib import Path

from spoold.tickets import State
from tests.apptainer.container_lab import Container, ContainerLab, wait_up
from tests.support import wait_until

SHOW = """\
echo "cores $1 of $DISTRIBUTE_CORES, save in $DISTRIBUTE_SAVE, home $HOME, here $(pwd)"
echo warned >&2
cat input/job.sh > distribute_save/copy.sh
touch ~/x /tmp/x /var/tmp/x /deep/er/x
if touch /bin/x 2> /dev/null; then echo "the image can be written to"; fi
exit 37
"""
WAITS = "touch /distribute_save/up; while :; do sleep 0.1; done"
COUNTS = "touch /distribute_save/up; while :; do echo >> /distribute_save/count; done"
SUM = "n=0; total=0; while [ $n -lt 100 ]; do n=$((n + 1)); total=$((total + n * n)); done; echo $total"


def test_a_job_finds_its_folders_and_its_results_are_archived(shared: ContainerLab) -> None:
    key = shared.containers("show", {"a": SHOW}, mounts=["/deep/er"])
    assert shared.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    cores = shared.record(key, "a").cores
    said = f"cores {cores} of {cores}, save in /distribute_save, home /home/distribute, here /\n"
    assert shared.text(key, "a", "stdout.txt") == said
    assert shared.text(key, "a", "stderr.txt") == "warned\n"
    assert shared.text(key, "a", "copy.sh") == SHOW
    record = shared.record(key, "a")
    assert (record.exit_code, record.signal, record.reason) == (37, None, "exit code 37")


def test_its_results_are_those_of_the_same_work_without_a_container(shared: ContainerLab) -> None:
    boxed = shared.containers("boxed", {"a": f"{SUM} | tee /distribute_save/total"})
    bare = shared.batch("bare", {"a": f"{SUM} | tee distribute_save/total"})
    for key in (boxed, bare):
        assert shared.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    names = {path.name for path in shared.archived(bare, "a").iterdir()}
    assert {path.name for path in shared.archived(boxed, "a").iterdir()} == names
    for name in names - {".job.json"}:
        assert shared.text(boxed, "a", name) == shared.text(bare, "a", name), name
    assert shared.record(boxed, "a").files == shared.record(bare, "a").files


def test_a_signal_that_ends_a_job_is_told_by_its_exit_code(shared: ContainerLab) -> None:
    key = shared.containers("shot", {"a": "kill -9 $$"})
    assert shared.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    record = shared.record(key, "a")
    assert (record.exit_code, record.reason) == (137, "exit code 137, as after signal 9 (SIGKILL)")


def test_jobs_at_one_time_share_one_copy_of_the_image_and_no_mount(shared: ContainerLab) -> None:
    node = shared.daemons[0]
    script = f'test -z "$(ls /scratch)" && echo {{}} > /scratch/mine && {WAITS}'
    asked = {"resources": {"cores": 1}}
    keys = [
        shared.containers(name, {"a": script.format(name)}, mounts=["/scratch"], **asked)
        for name in ("left", "right")
    ]
    containers = [wait_up(shared, node, key, "a") for key in keys]
    images = [one.attempt / "container" / "image.sif" for one in containers]
    places = {
        (path.stat().st_dev, path.stat().st_ino) for path in (*images, *_cached(node.scratch, images[0]))
    }
    assert len(places) == 1
    assert [_mine(one) for one in containers] == ["left\n", "right\n"]
    for key in keys:
        shared.kill(key)
        shared.wait_finished(key)
    again = shared.containers("again", {"a": script.format("again")}, mounts=["/scratch"], **asked)
    assert _mine(wait_up(shared, node, again, "a")) == "again\n"
    shared.kill(again)
    shared.wait_finished(again)
    wait_until(lambda: not list(node.scratch.glob("runs/*/*/*")), what="attempts are removed")
    assert [path.stat().st_nlink for path in _cached(node.scratch, shared.image)] == [1]


def _cached(scratch: Path, image: Path) -> list[Path]:
    """Whatever in the cache has the image's size."""
    size_bytes = image.stat().st_size
    found = [path for path in (scratch / "cache").iterdir() if path.stat().st_size == size_bytes]
    assert len(found) == 1
    return found


def _mine(container: Container) -> str:
    return (container.attempt / "container" / "mounts" / "0" / "mine").read_text()


def test_a_pause_stops_all_that_runs_in_the_container(shared: ContainerLab) -> None:
    node = shared.daemons[0]
    key = shared.containers("paused", {"a": COUNTS})
    container = wait_up(shared, node, key, "a")
    (node.scratch / "pause").touch()
    assert _last_spent_s(container, 1.5) < 1.0
    shared.wait(lambda: shared.phase("alpha") == "paused", 5, "it says so")
    assert _last_spent_s(container, 0.3) == 0.0
    assert container.own()
    (node.scratch / "pause").unlink()
    wait_until(lambda: _last_spent_s(container, 0.2), 5, what="it goes on")
    shared.kill(key)
    assert shared.wait_finished(key) == {State.CANCELLED: ["a~1@alpha"]}


def _last_spent_s(container: Container, within_s: float) -> float:
    """Seconds from now to when one of its processes was last seen to have used CPU time; 0: none did."""
    begin_s, last_s, before = time.monotonic(), 0.0, _spent(container)
    while (now_s := time.monotonic() - begin_s) < within_s:
        spent = _spent(container)
        if spent != before:
            last_s, before = now_s, spent
        time.sleep(0.02)
    return last_s


def _spent(container: Container) -> dict[int, float]:
    return {process.pid: process.own_cpu_s for process in container.processes()}

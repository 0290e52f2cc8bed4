"""A full disk, at the node or at the spool: nothing is lost, nothing is done that isn't, and it is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from spoold.tickets import State
from tests.lab import FAST, Lab, may_not_override
from tests.support import wait_until

MakeDisk = Callable[[Path, int], Path]


@pytest.fixture
def small_disk() -> Iterator[MakeDisk]:
    """Makes a folder a file system of its own, of so many MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mounted: list[Path] = []

    def mount(folder: Path, size_mib: int) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={size_mib}m,mode=0755"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True
        )
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def fill(file: Path) -> None:
    """Write until there is no room left."""
    with open(file, "wb", buffering=0) as opened:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    opened.write(b"x" * size)
            except OSError:
                continue


def test_a_full_scratch(small_disk: MakeDisk, tmp_path: Path) -> None:
    """What fills it is given back and done by another node; then the node works again."""
    scratch = small_disk(tmp_path / "small", 24)
    with Lab(tmp_path / "lab") as lab:
        alpha = lab.node("alpha", "--min-free", "4M", "--no-steward", scratch=scratch)
        beta = lab.node("beta", "--no-steward")
        drain = lab.spool.layout.node("beta").drain
        drain.touch()
        lab.wait(lambda: lab.status("beta").draining, 20, "beta takes nothing yet")
        lab.steward()
        # Fails only where the disk is small: elsewhere there is room for it.
        key = lab.batch("large", {"a": "head -c 40000000 /dev/zero > large || exit 1; echo fits"})
        lab.wait_state(key, "a", State.PENDING)
        lab.wait(lambda: lab.tickets(key).get(State.PENDING, ["a~1"]) != ["a~1"], 20, "it was given back")
        drain.unlink()
        lab.wait_finished(key)
        assert lab.record(key, "a").node == "beta"
        assert lab.text(key, "a", "stdout.txt") == "fits\n"
        assert [r.node for r in lab.records()] == ["beta"]
        assert beta.terminate() == 0

        # Somebody else fills it: no job is taken, and the node says why.
        fill(scratch / "others")
        told = f"{scratch} has only 0 MiB left: no more jobs are taken until 4 MiB are free"
        lab.wait(lambda: told in lab.status("alpha").troubles, 20, "it says so")
        key = lab.batch("small", {"a": "true"})
        lab.wait_state(key, "a", State.PENDING)
        (scratch / "others").unlink()
        assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
        lab.wait(lambda: not lab.status("alpha").troubles, 20, "it says so")
        wait_until(lambda: not alpha.attempts())


def test_a_full_spool(small_disk: MakeDisk, tmp_path: Path) -> None:
    """The result waits on the node's disk; the job isn't done before all of it is in the archive."""
    small_disk(tmp_path / "lab", 24)
    # Logs and scratch aren't on that disk.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lab = Lab(tmp_path / "lab", logs=elsewhere)
    with lab:
        go = tmp_path / "go"
        command = f"head -c 8000000 /dev/zero > distribute_save/x; while ! test -e {go}; do sleep 0.05; done"
        key = lab.batch("waits", {"a": command, "b": "echo small"})
        node = lab.node("alpha", scratch=elsewhere / "scratch")
        lab.wait(lambda: lab.phase("alpha") == "running", 20, "it runs")
        others = lab.folder / "others"
        fill(others)
        go.touch()
        node.wait_for("the result of lab/waits/a~1@alpha can't be archived")
        mark = lab.spool.layout.node("alpha").trouble
        lab.wait(mark.exists, 20, "the spool is said to be full")
        assert lab.state(key, "a") is State.CLAIMED
        assert not lab.archived(key, "a").exists()
        # A restart changes nothing.
        node.kill()
        node = lab.node("alpha", scratch=elsewhere / "scratch", ready=False)
        others.unlink()
        assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha", "b~1@alpha"]}
        assert (lab.archived(key, "a") / "x").stat().st_size == 8_000_000
        assert lab.text(key, "b", "stdout.txt") == "small\n"
        lab.wait(lambda: not mark.exists(), 20, "the spool isn't said to be full")
        lab.wait(lambda: not lab.status("alpha").troubles, 20, "no trouble is left")


def test_a_result_larger_than_the_spool(small_disk: MakeDisk, tmp_path: Path) -> None:
    """While it waits for room it takes none from others."""
    small_disk(tmp_path / "lab", 24)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Lab(tmp_path / "lab", logs=elsewhere) as lab:
        key = lab.batch("large", {"a": "head -c 40000000 /dev/zero > distribute_save/x"})
        node = lab.node("alpha", scratch=elsewhere / "scratch")
        node.wait_for(f"the result of {key}/a~1@alpha can't be archived")
        lab.wait(lambda: shutil.disk_usage(lab.folder).free > 16 << 20, 10, "there is room again")
        other = lab.batch("other", {"a": "true"})
        assert lab.wait_finished(other) == {State.DONE: ["a~1@alpha"]}
        assert lab.state(key, "a") is State.CLAIMED


def test_a_scratch_filled_by_its_job(small_disk: MakeDisk, tmp_path: Path) -> None:
    """The node leaves it to others for a while, and for longer each time."""
    scratch = small_disk(tmp_path / "small", 24)
    with Lab(tmp_path / "lab", replace(FAST, rescan_s=0.5)) as lab:
        lab.steward()
        node = lab.node("alpha", "--min-free", "4M", "--no-steward", scratch=scratch)
        key = lab.batch("large", {"a": "head -c 40000000 /dev/zero > large"})
        ended = re.compile(rf"^\S+ (\S+) .*{key}/a~\d@alpha failed", re.MULTILINE)
        wait_until(lambda: len(ended.findall(node.said)) >= 3, 30, what="it was given back three times")
        at_s = [datetime.strptime(text, "%H:%M:%S,%f").timestamp() for text in ended.findall(node.said)]
        assert at_s[2] - at_s[0] > 1.0 + 2.0 - 0.5, node.said


def test_a_scratch_that_cannot_be_written(lab: Lab) -> None:
    """What it can't even begin is given back, as by any node that can't go on with a job."""
    alpha = lab.node("alpha", "--no-steward", before=may_not_override())
    lab.steward()
    runs = alpha.scratch / "runs"
    runs.chmod(0o555)
    try:
        key = lab.batch("locked", {"a": "true"})
        lab.wait(lambda: lab.tickets(key).get(State.PENDING, ["a~1"]) != ["a~1"], 20, "it was given back")
        lab.wait(lambda: lab.status("alpha").troubles, 20, "it says so")
    finally:
        runs.chmod(0o755)
    tickets = lab.wait_finished(key)
    assert list(tickets) == [State.DONE]

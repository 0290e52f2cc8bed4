"""The cluster that other tests use: jobs run on it, and nothing is left of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from tests.lab.slurm import SlurmLab
from tests.support import wait_until


def submit(lab: SlurmLab, script: str, *options: str, folder: Path) -> str:
    path = folder / "job.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    return lab.run("sbatch", "--parsable", *options, str(path), cwd=folder).stdout.strip()


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_jobs_run_and_tell_how_they_ended(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    good = submit(slurm_lab, "hostname", "--output=good.txt", folder=tmp_path)
    bad = submit(slurm_lab, "exit 3", folder=tmp_path)
    after = submit(
        slurm_lab, "true", f"--dependency=afterok:{bad}", "--kill-on-invalid-dep=yes", folder=tmp_path
    )
    ended = slurm_lab.wait_ended(good, bad, after)
    assert ended == {good: "COMPLETED", bad: "FAILED", after: "CANCELLED"}
    assert (tmp_path / "good.txt").read_text().strip() == os.uname().nodename


def test_many_jobs_of_one_core_take_seconds(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    before_s = time.monotonic()
    array = submit(slurm_lab, "true", "--array=0-49", "--output=/dev/null", folder=tmp_path)
    ended = slurm_lab.wait_ended(*(f"{array}_{task}" for task in range(50)))
    assert set(ended.values()) == {"COMPLETED"}
    assert time.monotonic() - before_s < 30


def test_leaving_a_cluster_ends_its_jobs_and_daemons(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    folder = slurm_lab.folder / "other"
    folder.mkdir()
    with SlurmLab(folder, nodes=("m1",)) as other:
        submit(other, f"echo $$ >{tmp_path}/pid; exec sleep 1000", folder=tmp_path)
        pid = int(wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
        daemons = [daemon.pid for daemon in other.daemons.values()]
    wait_until(lambda: not [one for one in (pid, *daemons) if lives(one)], what="all have ended")

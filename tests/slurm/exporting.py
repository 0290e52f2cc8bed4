"""Exports made by the command itself, and submitted to a real Slurm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab import program
from tests.lab.slurm import SlurmLab

SECTION = 'slurm: {time: "0:10:00", cpus_per_task: 1}\n'


def write_batch(folder: Path, text: str, files: Mapping[str, str] | None = None) -> Path:
    """A job file and its inputs in ``folder``; those that end with .sh are executable."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o755 if name.endswith(".sh") else 0o644)
    jobfile = folder / "distribute-jobs.yaml"
    jobfile.write_text(text)
    return jobfile


def distribute(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `distribute`; its exit code is the caller's to judge."""
    return subprocess.run(
        [program("distribute"), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def export(jobfile: Path, folder: Path, *options: str) -> Path:
    """``folder``, made of the job file."""
    done = distribute("slurm", folder, jobfile, *options, cwd=jobfile.parent)
    assert done.returncode == 0, done.stderr
    return folder


def schedule(lab: SlurmLab, folder: Path) -> dict[str, str]:
    """Run the export's own script; the ids by name."""
    lab.run(str(folder / "schedule_jobs.sh"))
    return read_ids(folder)


def read_ids(folder: Path) -> dict[str, str]:
    """What ``submitted.tsv`` says."""
    lines = (folder / "submitted.tsv").read_text().splitlines()
    return dict(line.split("\t") for line in lines)


def run_export(lab: SlurmLab, folder: Path) -> dict[str, str]:
    """Submit an export and wait; the final states by name."""
    ids = schedule(lab, folder)
    states = lab.wait_ended(*ids.values())
    return {name: states[number] for name, number in ids.items()}


def batch_folder(root: Path, batch: str) -> Path:
    return root / "archive" / "lab" / batch


def describe(folder: Path) -> str:
    """What Slurm and the runner said, for a failed test."""
    said: Any = [f"--- {path}\n{path.read_text()}" for path in sorted(folder.rglob("slurm-*.out"))]
    return "\n".join(said)

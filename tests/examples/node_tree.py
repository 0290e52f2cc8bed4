"""The folder that a node makes for the cavity example, and its scripts run in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "cavity"


def read_job_file() -> dict[str, Any]:
    return yaml.safe_load((EXAMPLE / "distribute-jobs.yaml").read_text())


def place_files(entries: list[dict[str, str]], folder: Path) -> None:
    for entry in entries:
        source = EXAMPLE / entry["path"]
        shutil.copy(source, folder / entry.get("alias", source.name))


def lay_out_tree(tree: Path) -> None:
    """What a node makes of the job file before it builds."""
    python = read_job_file()["python"]
    for name in ("initial_files", "input", "distribute_save"):
        (tree / name).mkdir(parents=True)
    place_files(python["initialize"]["required_files"], tree / "initial_files")
    shutil.copytree(tree / "initial_files", tree / "input", dirs_exist_ok=True)
    shutil.copy(EXAMPLE / python["initialize"]["build_file"], tree / "build.py")


def refresh_tree(tree: Path, name: str) -> None:
    """What a node does to the tree before each job."""
    (job,) = (job for job in read_job_file()["python"]["jobs"] if job["name"] == name)
    for folder in ("input", "distribute_save"):
        shutil.rmtree(tree / folder)
    shutil.copytree(tree / "initial_files", tree / "input")
    (tree / "distribute_save").mkdir()
    place_files(job["required_files"], tree / "input")
    shutil.copy(EXAMPLE / job["file"], tree / "job.py")


def run_script(tree: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts with the bare interpreter: no package of ours, nor of any other."""
    return subprocess.run(
        [sys.executable, "-S", *words],
        cwd=tree,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def change_case(tree: Path, **values: float) -> None:
    path = tree / "input" / "input.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def run_case(tree: Path, name: str, cores: int = 2, **values: float) -> subprocess.CompletedProcess[str]:
    refresh_tree(tree, name)
    change_case(tree, **values)
    return run_script(tree, "./job.py", str(cores))

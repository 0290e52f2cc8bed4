"""A job's files on disk: making, reading and removing them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cluster.engines.protocol import JobPlan
from cluster.errors import ClusterError
from cluster.naming import FileKind, JobFiles, check_suffix
from cluster.scripts import check_path
from cluster.settings import get_option
from cluster.spools.places import is_private

_LOOK_EVERY_S = 0.1


def make_files(name: str, unique: str, path: str | Path | None, options: Mapping[str, Any]) -> JobFiles:
    """Where a job's files are to stand: ``path``, or as ``scriptpath``, ``outpath`` and so on say.

    Raises UnfitPath for what a batch system can't be told.
    """
    common = Path(path or get_option("jobs", "filepath"))
    outputs = check_path(Path(options.get("outpath") or common).absolute())
    chosen = {key: options[key] for key in ("outfile", "errfile") if key in options}
    return JobFiles(
        folder=check_path(Path(options.get("scriptpath") or common).absolute()),
        outputs=outputs,
        name=name,
        unique=unique,
        suffix=check_suffix(options.get("suffix") or get_option("jobs", "suffix")),
        **{key: check_path(outputs / value) for key, value in chosen.items()},
    )


def write_new(files: JobFiles, text: str) -> None:
    """Write a job file. Raises ClusterError if there is one, or its folders aren't."""
    if is_private(files.folder):
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in {files.folder, files.outputs}:
        if not folder.is_dir():
            raise ClusterError(
                f"there is no folder {folder}", "a job's files are to go there", f"mkdir -p {folder}"
            )
    try:
        with files.script.open("x", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except OSError as error:
        raise ClusterError(f"{files.script} can't be written", error.strerror or str(error)) from error


def await_file(path: Path, within_s: float) -> None:
    """Return once the folder shows the file, or after ``within_s`` seconds: NFS may be late."""
    deadline_s = time.monotonic() + within_s
    while not _shows(path.parent, path.name) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)


def _shows(folder: Path, name: str) -> bool:
    """Whether it is listed; what was looked for in vain, NFS doesn't look for again soon."""
    try:
        return name in os.listdir(folder)
    except FileNotFoundError:
        return False


def read_output(path: Path) -> str:
    """The text of an output file, as far as it is written; nothing if there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def list_files(plan: JobPlan, scripts: bool, outputs: bool) -> list[Path]:
    """The paths of a job's files: the job file and its marks, and what the command printed."""
    files = plan.files
    tasks = (None,) if plan.tasks is None else range(plan.tasks)
    paths = [files.script, files.call] if scripts else []
    kinds = [FileKind.EXIT] if scripts else []
    kinds += [FileKind.OUT, FileKind.ERR, FileKind.RESULT] if outputs else []
    return paths + [files.written(kind, task) for kind in kinds for task in tasks]


def remove(plan: JobPlan, scripts: bool, outputs: bool) -> None:
    """Delete those of a job's files that are there."""
    for path in list_files(plan, scripts, outputs):
        path.unlink(missing_ok=True)
    if is_private(plan.files.folder):
        # As long as something is in it, it stays.
        with suppress(OSError):
            plan.files.folder.rmdir()


def remove_all(plan: JobPlan) -> None:
    """Delete all files of a job, those that a function returned too."""
    for task in (None,) if plan.tasks is None else range(plan.tasks):
        folder = plan.files.written(FileKind.FILES, task)
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
    remove(plan, scripts=True, outputs=True)

"""Removing what jobs left in a folder, by the names that only this package gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from cluster.errors import ClusterError
from cluster.naming import SUFFIX, FileKind, is_job_file

_SHOWN_MAX = 20


def find_job_files(directory: str | Path = ".", suffix: str = SUFFIX) -> list[Path]:
    """The files that jobs made in a folder, not below it. Raises ClusterError if it can't be read."""
    try:
        return sorted(
            path
            for path in Path(directory).iterdir()
            if is_job_file(path.name, suffix) and not path.is_symlink()
            if path.is_file() or _is_folder_of_results(path)
        )
    except OSError as error:
        raise ClusterError(f"{directory} can't be read", error.strerror or str(error)) from error


def clean_dir(
    directory: str | Path = ".",
    suffix: str = SUFFIX,
    confirm: bool = False,
    ask: Callable[[str], bool] | None = None,
) -> list[Path]:
    """Delete the files in a folder that jobs made, and return their paths.

    It asks first, unless ``confirm`` says yes: ``ask`` gets the question and the files, a line each, and
    answers it; by default the terminal does. Without an answer nothing is deleted. Raises ClusterError.
    """
    files = find_job_files(directory, suffix)
    if not files or not (confirm or (ask or _ask)(_describe(files, directory))):
        return []
    for path in files:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return files


def _is_folder_of_results(path: Path) -> bool:
    """Whether it may hold files that a function returned."""
    return path.is_dir() and path.suffix == f".{FileKind.FILES}"


def _describe(files: list[Path], directory: str | Path) -> str:
    names = [f"  {path.name}" for path in files[:_SHOWN_MAX]]
    more = [f"  and {len(files) - _SHOWN_MAX} more"] if len(files) > _SHOWN_MAX else []
    count = "this file" if len(files) == 1 else f"these {len(files)} files"
    return "\n".join([*names, *more, f"delete {count} from {directory}?"])


def _ask(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False

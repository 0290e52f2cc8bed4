"""Writing an export: into a folder that isn't there yet, and appears whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from distribute_cli.slurm.plan import CopiedFile, Export, FilledFile, TextFile
from distribute_cli.slurm.planning import MANIFEST
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.regular_files import open_regular

Progress = Callable[[int], None]
_PIECE_BYTES = 1 << 20


class InTheWay(DistributeError):
    """The folder that is to be made is there already."""


def write_export(export: Export, base: Path, target: Path, replace: bool, progress: Progress) -> None:
    """Make ``target``; inputs are read from ``base``, and ``progress`` is told their bytes.

    With ``replace``, an export that is there is removed first. Raises InTheWay, DistributeError or OSError,
    and what was there before is left as it was.
    """
    require_free(target, replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    private = target.with_name(f".{target.name}.{os.getpid()}.part")
    private.mkdir()
    try:
        _fill(export, base, private, progress)
        _appear(private, target, replace)
    except BaseException:
        shutil.rmtree(private, ignore_errors=True)
        raise


def _appear(private: Path, target: Path, replace: bool) -> None:
    if replace and target.exists():
        earlier = private.with_suffix(".old")
        target.rename(earlier)
        private.rename(target)
        shutil.rmtree(earlier)
        return
    try:
        # RACE: somebody may have made it since we looked. A rename would replace an empty folder silently.
        target.mkdir()
    except FileExistsError as error:
        raise InTheWay(f"{target} is there already", "it was made just now", "give another folder") from error
    private.rename(target)


def runner_texts() -> Mapping[str, str]:
    """The modules of the runner, by their names."""
    folder = Path(__file__).with_name("runner")
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


def require_free(target: Path, replace: bool, needed: Iterable[Path] = ()) -> None:
    """Raises InTheWay unless ``target`` may be made: nothing, or with ``replace`` an export, is there.

    None of the ``needed`` files may be in what would be removed.
    """
    if not os.path.lexists(target):
        return
    if not _is_export(target):
        raise InTheWay(
            f"{target} is there already", "it is no export, and is left as it is", "give another folder"
        )
    if not replace:
        why = "it is an earlier export, with its results if it has any"
        raise InTheWay(
            f"{target} is there already", why, "give another folder, or add --replace to remove it"
        )

    real = target.resolve()
    for path in needed:
        if path.resolve().is_relative_to(real):
            raise InTheWay(f"{target} can't be replaced", f"{path} is in it", "give another folder")


def _is_export(folder: Path) -> bool:
    """Whether we made it: others too have files that are called as its manifest is."""
    if folder.is_symlink() or not (folder / "schedule_jobs.sh").is_file():
        return False
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"format", "namespace", "batch", "version"} <= set(found)


def _fill(export: Export, base: Path, folder: Path, progress: Progress) -> None:
    for name in export.folders:
        (folder / name).mkdir(parents=True, exist_ok=True)
    # One copy a content: what a sweep brings to thousands of jobs is there once.
    first: dict[tuple[str, bool], Path] = {}
    for file in export.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(file, CopiedFile):
            _copy_once(file, base, path, first, progress)
        else:
            _write(file, path)


def _write(file: TextFile | FilledFile, path: Path) -> None:
    content = file.text.encode() if isinstance(file, TextFile) else file.content
    path.write_bytes(content)
    path.chmod(0o755 if file.executable else 0o644)


def _copy_once(
    file: CopiedFile, base: Path, path: Path, first: dict[tuple[str, bool], Path], progress: Progress
) -> None:
    known = first.setdefault((file.sha256, file.executable), path)
    if known is not path:
        with suppress(OSError):
            os.link(known, path)
            return
    with open_regular(base / file.source) as opened, path.open("xb") as target:
        digest = _copy(opened, target, progress if known is path else lambda size_bytes: None)
    if digest != file.sha256:
        raise DistributeError(f"{file.source} changed while it was read", "", "type this again")
    path.chmod(0o755 if file.executable else 0o644)


def _copy(opened: BinaryIO, target: BinaryIO, progress: Progress) -> str:
    digest = hashlib.sha256()
    while piece := opened.read(_PIECE_BYTES):
        digest.update(piece)
        target.write(piece)
        progress(len(piece))
    return digest.hexdigest()

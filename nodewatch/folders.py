"""Folders that jobs had in their hands: whatever modes, links and depths they left, the owner gets through.

No link is followed, and nothing recurses: a job may nest folders deeper than Python calls or paths reach.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

_FOLDER_BITS = stat.S_IRWXU
_DEEPEST = 200


def unlock(root: Path) -> None:
    """Let the owner read all files and enter all folders of ``root``, down to 200 levels."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        unlock_folder(folder)
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEEPEST:
                    waiting.append((Path(entry.path), depth + 1))
            elif entry.is_file(follow_symlinks=False):
                mode = entry.stat(follow_symlinks=False).st_mode
                if not mode & stat.S_IRUSR:
                    os.chmod(entry.path, stat.S_IMODE(mode) | stat.S_IRUSR)


def unlock_folder(folder: Path) -> None:
    """Let the owner list, change and enter this one folder."""
    mode = folder.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & _FOLDER_BITS != _FOLDER_BITS:
        folder.chmod(stat.S_IMODE(mode) | _FOLDER_BITS)


def remove(path: Path) -> None:
    """Remove whatever stands there; nothing may. Raises OSError if the owner himself can't."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        path.unlink()
        return
    emptied, waiting = [], [path]
    while waiting:
        folder = waiting.pop()
        unlock_folder(folder)
        waiting += _empty(folder, path)
        emptied.append(folder)
    for folder in reversed(emptied):
        folder.rmdir()


def make_empty(folder: Path) -> None:
    """An empty folder at this path, whatever is there: one system call for nothing, three if it is empty."""
    try:
        folder.mkdir()
    except FileExistsError:
        try:
            folder.rmdir()
        except OSError:
            remove(folder)
        folder.mkdir()


def replace_text(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` of a local disk in one rename. Raises OSError."""
    private = path.with_name(f".{path.name}.new")
    private.write_text(text)
    private.replace(path)


def _empty(folder: Path, root: Path) -> list[Path]:
    """Remove the files of ``folder`` and move its folders up to ``root``, where their paths are short."""
    moved = []
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
            continue
        inner = Path(entry.path)
        if folder != root:
            # A folder that changes its parent must itself be writable.
            unlock_folder(inner)
            inner = inner.rename(root / f".{secrets.token_hex(8)}")
        moved.append(inner)
    return moved

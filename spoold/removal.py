"""Removing folders that others own and may still be changing: no link is followed, no depth is too much."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def remove_private(path: Path) -> None:
    """Remove a file or a folder that only sweepers know of. Raises OSError."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            _remove_folder(path)
        else:
            path.unlink()
    except FileNotFoundError:
        # RACE: another steward sweeps the same leftover.
        return


def _remove_folder(path: Path) -> None:
    root = _open_folder(str(path), None)
    try:
        waiting = os.listdir(root)
        while waiting:
            waiting += _remove_entry(root, waiting.pop())
    finally:
        os.close(root)
    path.rmdir()


def _remove_entry(root: int, name: str) -> list[str]:
    """Remove one entry of ``root``; returns the folders that were in it, now in ``root``."""
    if _unlink(root, name):
        return []
    moved = []
    inner = _open_folder(name, root)
    try:
        for entry in os.listdir(inner):
            if not _unlink(inner, entry):
                # Up, where two descriptors reach it, however deep it was.
                moved.append(f".{secrets.token_hex(8)}")
                os.rename(entry, moved[-1], src_dir_fd=inner, dst_dir_fd=root)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=root)
    return moved


def _unlink(folder: int, name: str) -> bool:
    """False: it is a folder."""
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        return False
    return True


def _open_folder(name: str, above: int | None) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)

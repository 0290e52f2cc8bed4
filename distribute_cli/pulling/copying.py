"""Copying one file out of the archive: whole, verified and with its time, or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from distribute_cli.pulling.places import Place, look_at, open_file, open_folder
from distribute_cli.pulling.planning import PullFile
from distribute_compute_config.errors import DistributeError

Progress = Callable[[int], None]

_PIECE_BYTES = 1 << 20
#: Coarser than any file system keeps times.
_SAME_TIME_S = 2.0


class Corrupt(DistributeError):
    """A file isn't what was archived."""


def is_present(file: PullFile, target: Place, mend: bool = True) -> bool:
    """Whether the file stands below ``target`` already: size and time are right.

    If only the size is, its content decides, and with ``mend`` its time is put right.
    """
    try:
        with open_folder(target, file.parts[:-1]) as folder:
            info = look_at(folder, file.parts[-1])
            if info is None or not stat.S_ISREG(info.st_mode) or info.st_size != file.size_bytes:
                return False
            if abs(info.st_mtime - file.modified_at) < _SAME_TIME_S:
                return True
        return file.sha256 is not None and _has_content(file, target, mend)
    except FileNotFoundError:
        return False


def _has_content(file: PullFile, target: Place, mend: bool) -> bool:
    digest = hashlib.sha256()
    with open_file(target, file.parts) as opened:
        for piece in _read(opened):
            digest.update(piece)
        if digest.hexdigest() != file.sha256:
            return False
        # Another's file can be read but not touched: then it is compared again the next time.
        with suppress(PermissionError):
            if mend:
                os.utime(opened.fileno(), (file.modified_at, file.modified_at))
        return True


def copy_file(file: PullFile, source: Place, target: Place, progress: Progress) -> None:
    """Copy ``file`` from below ``source`` to below ``target``, replacing what is there under its name.

    Raises Corrupt, UnsafePath or OSError; there is then no file, or the one from before.
    """
    with open_file(source, file.parts) as opened, open_folder(target, file.parts[:-1], make=True) as folder:
        executable = bool(os.fstat(opened.fileno()).st_mode & stat.S_IXUSR)
        with _private_file(folder, 0o777 if executable else 0o666) as (handle, private):
            _copy(file, opened, handle, progress)
            os.utime(handle, (file.modified_at, file.modified_at))
            # Else a power failure could leave a file of the right size and time without its content.
            os.fsync(handle)
            os.replace(private, file.parts[-1], src_dir_fd=folder, dst_dir_fd=folder)


@contextmanager
def _private_file(folder: int, mode: int) -> Iterator[tuple[int, str]]:
    """A new file under a name of its own, removed unless it was given another."""
    private = f".distribute-{secrets.token_hex(8)}.part"
    handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        yield handle, private
    finally:
        os.close(handle)
        with suppress(FileNotFoundError):
            os.unlink(private, dir_fd=folder)


def _copy(file: PullFile, opened: BinaryIO, handle: int, progress: Progress) -> None:
    digest, size = hashlib.sha256(), 0
    for piece in _read(opened):
        digest.update(piece)
        size += len(piece)
        _write_all(handle, piece)
        progress(len(piece))
    if file.sha256 is not None and (size, digest.hexdigest()) != (file.size_bytes, file.sha256):
        raise Corrupt(
            f"{file.name} isn't what was archived",
            f"{size} bytes with the SHA-256 {digest.hexdigest()[:12]}…, "
            f"recorded are {file.size_bytes} with {file.sha256[:12]}…",
            "if its job was retried just now, pull again; else the archive is damaged",
        )


def _read(opened: BinaryIO) -> Iterator[bytes]:
    while piece := opened.read(_PIECE_BYTES):
        yield piece


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]

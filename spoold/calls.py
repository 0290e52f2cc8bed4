"""What ``fsops`` asks of the kernel: one method a call, so that a test can have any of them fail."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path

from spoold.removal import remove_private

_libc = ctypes.CDLL(None, use_errno=True)


class Kernel:
    """Calls on a spool's disk. Each raises OSError; none is tried twice."""

    def listdir(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def read(self, path: Path) -> bytes:
        return read_plain(path)

    def stat(self, path: Path) -> os.stat_result:
        return path.stat()

    def open_new(self, path: Path, mode: int) -> int:
        """A descriptor for writing a new file; the mode comes from open(2): a chmod is one message more."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)

    def open_private(self, path: Path, mode: int) -> int:
        """The same where nobody else makes files.

        On NFS an exclusive creation takes a second message: its first one has no room for the mode.
        """
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)

    def open_end(self, path: Path) -> int:
        """A descriptor for adding to a file, which is made when needed."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def write(self, fd: int, data: bytes) -> None:
        write_all(fd, data)

    def close(self, fd: int) -> None:
        os.close(fd)

    def mkdir(self, path: Path) -> None:
        path.mkdir()

    def chmod(self, path: Path, mode: int) -> None:
        path.chmod(mode)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target, follow_symlinks=False)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def rmdir(self, folder: Path) -> None:
        folder.rmdir()

    def remove_private(self, path: Path) -> None:
        remove_private(path)

    def utime(self, folder: Path) -> None:
        os.utime(folder)

    def sync(self, folder: Path) -> None:
        sync_file_system(folder)


def read_plain(path: Path, most_bytes: int = -1) -> bytes:
    """The content, -1: all of it; nothing of a link, a pipe or a folder, which a stranger may have put there.

    Raises OSError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return b""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        with open(fd, "rb", buffering=0, closefd=False) as opened:
            return opened.read(most_bytes)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """``write(2)`` may take only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_file_system(folder: Path) -> None:
    """``syncfs(2)`` on the file system of ``folder``. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(fd)

"""Reading a file on behalf of somebody else: only what that person could have read.

The service may be able to read more than the owner of a job file. What it opens is judged after it was
opened, by the descriptor, so that nothing can be swapped in between.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from distribute_compute_config.errors import DistributeError

_ACL = "system.posix_acl_access"
#: As many links as Linux follows in one path.
_LINKS_MAX = 40


class Unreadable(DistributeError):
    """An input can't be read for the person who named it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as the kernel sees one."""

    uid: int
    gids: frozenset[int]

    @property
    def name(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def identity_of(uid: int) -> Identity:
    """The user with all groups that this host knows for it."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Identity(uid, frozenset())
    return Identity(uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def open_for(identity: Identity, path: Path) -> BinaryIO:
    """Open a regular file that ``identity`` may read. Raises Unreadable with the reason."""
    if not _trusted(identity):
        _follow(identity, path)
    try:
        # O_PATH first: opening a device or a pipe for reading can have effects.
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise Unreadable(str(path), _why(error)) from error
    try:
        return _reopen(identity, path, handle)
    finally:
        os.close(handle)


def _follow(identity: Identity, path: Path) -> None:
    """Walk as the kernel would for ``identity``, and say no more of what is there than it would.

    Raises Unreadable at the first folder that ``identity`` may not look into, or where nothing is.
    """
    here, waiting, links = Path("/"), list(reversed(path.absolute().parts[1:])), 0
    try:
        while waiting:
            _check(identity, here, here.lstat(), 0o1, f"may not look into {here}", path)
            part = waiting.pop()
            step = here.parent if part == ".." else here / part
            if not stat.S_ISLNK(step.lstat().st_mode):
                here = step
                continue
            links += 1
            if links > _LINKS_MAX:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = step.readlink()
            here = Path("/") if target.is_absolute() else here
            waiting += reversed([one for one in target.parts if one != "/"])
    except (OSError, ValueError) as error:
        raise Unreadable(str(path), _why(error)) from error


def open_below(root: Path, relative: Path, reader: Identity | None = None) -> BinaryIO:
    """Open a regular file below ``root`` without following any link; if given, ``reader`` must be allowed to.

    Raises Unreadable.
    """
    handle = _step_into(root, None, root)
    try:
        for part in relative.parts:
            if part == "..":
                raise Unreadable(str(relative), "it leaves the folder of the job file")
            inner = _step_into(Path(part), handle, relative)
            os.close(handle)
            handle = inner
            if stat.S_ISLNK(os.fstat(handle).st_mode):
                raise Unreadable(
                    str(relative), f"{part} is a link, and links aren't followed here", "put a copy there"
                )
            _check_handle(reader, handle, relative)
        return _open_regular(relative, handle)
    finally:
        os.close(handle)


def _step_into(name: Path, folder: int | None, shown: Path) -> int:
    try:
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except (OSError, ValueError) as error:
        raise Unreadable(str(shown), _why(error)) from error


def _check_handle(reader: Identity | None, handle: int, shown: Path) -> None:
    if reader is None or _trusted(reader):
        return
    info = os.fstat(handle)
    place = Path(f"/proc/self/fd/{handle}")
    if stat.S_ISDIR(info.st_mode):
        _check(reader, place, info, 0o1, "may not look into the folder that holds it", shown)
    else:
        _check(reader, place, info, 0o4, "may not read it", shown)


def _trusted(identity: Identity) -> bool:
    """What the kernel would refuse to this very user it refuses in open(2)."""
    return identity.uid in (0, os.geteuid())


def _why(error: OSError | ValueError) -> str:
    """A ValueError is a name that no file can have: it holds a NUL or half a character."""
    text = error.strerror if isinstance(error, OSError) else "no name of a file"
    return (text or "can't be opened").lower()


def _reopen(identity: Identity, path: Path, handle: int) -> BinaryIO:
    info = os.fstat(handle)
    if not _trusted(identity):
        real = Path(f"/proc/self/fd/{handle}").readlink()
        _check_path(identity, path, real, info)
    return _open_regular(path, handle)


def _open_regular(path: Path, handle: int) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise Unreadable(str(path), "not a regular file")
    try:
        return open(f"/proc/self/fd/{handle}", "rb", buffering=0)
    except OSError as error:
        raise Unreadable(
            str(path), f"the service user can't read it ({error.strerror})", "submit with: distribute add"
        ) from error


def _check_path(identity: Identity, path: Path, real: Path, info: os.stat_result) -> None:
    try:
        now = real.lstat()
        folders = [(parent, parent.lstat()) for parent in reversed(real.parents)]
    except OSError as error:
        raise Unreadable(str(path), "it was moved while it was read") from error
    if (now.st_dev, now.st_ino) != (info.st_dev, info.st_ino):
        raise Unreadable(str(path), "it was moved while it was read")
    for folder, folder_info in folders:
        _check(identity, folder, folder_info, 0o1, f"may not look into {folder}", path)
    _check(identity, real, info, 0o4, "may not read it", path)


def _check(identity: Identity, place: Path, info: os.stat_result, bit: int, what: str, path: Path) -> None:
    if _has_acl(place):
        # Mode bits don't tell who may pass an access control list: refuse rather than guess.
        named = path if place.is_relative_to("/proc") else place
        raise Unreadable(str(path), f"{named} has an access control list", "submit with: distribute add")
    if not _allowed(identity, info, bit):
        raise Unreadable(str(path), f"{identity.name}, who owns the job file, {what}")


def _allowed(identity: Identity, info: os.stat_result, bit: int) -> bool:
    if info.st_uid == identity.uid:
        return bool(info.st_mode & (bit << 6))
    if info.st_gid in identity.gids:
        return bool(info.st_mode & (bit << 3))
    return bool(info.st_mode & bit)


def _has_acl(place: Path) -> bool:
    try:
        return _ACL in os.listxattr(place)
    except OSError:
        # The file system has no extended attributes, and so no lists.
        return False

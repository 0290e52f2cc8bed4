"""The drop box: what lies in ``incoming/``, and whether it is complete."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path

from spoold.spool import Spool

_MOST_ENTRIES = 100_000


class DropKind(Enum):
    """What a name in ``incoming/`` stands for."""

    JOB_FILE = "job file"
    FOLDER = "folder"
    BUNDLE = "bundle"
    RETRY = "retry request"

    @property
    def arrives_whole(self) -> bool:
        """Made by `distribute`, under another name, and renamed."""
        return self in (DropKind.BUNDLE, DropKind.RETRY)


@dataclass(frozen=True, slots=True)
class Drop:
    """A name in ``incoming/`` as it was when looked at; ``id`` tells it from a later one of that name.

    ``version`` is what a rename leaves alone: inode, size in bytes, time of the last change in ns.
    """

    name: str
    path: Path
    kind: DropKind
    uid: int
    id: str
    version: tuple[int, int, int]
    submitted_at: float


def kind_of(name: str, is_folder: bool) -> DropKind | None:
    """None for what isn't a drop: hidden names, inputs beside a job file."""
    if name.startswith("."):
        return None
    if is_folder:
        return DropKind.FOLDER
    suffix = Path(name).suffix.lower()
    kinds = {".yaml": DropKind.JOB_FILE, ".yml": DropKind.JOB_FILE}
    return {**kinds, ".bundle": DropKind.BUNDLE, ".retry": DropKind.RETRY}.get(suffix)


def show_name(name: str) -> str:
    """The name on one line, with what would steer a terminal escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


class Settling:
    """Which drops have stayed the same for ``settle_s`` of the observer's own clock."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._seen: dict[str, tuple[str, float]] = {}
        self._dealt: dict[str, str] = {}

    def settled(self, name: str, fingerprint: str, now_s: float) -> bool:
        """Whether ``name`` has looked like this since long enough."""
        if self._dealt.get(name) == fingerprint:
            return False
        before, since_s = self._seen.get(name, ("", now_s))
        if before != fingerprint:
            self._seen[name] = (fingerprint, now_s)
            return False
        return now_s - since_s >= self._settle_s

    def set_dealt(self, name: str) -> None:
        """Ignore it as long as it looks like this: only its owner can move some folders away."""
        seen = self._seen.pop(name, None)
        # RACE: another steward's clearing was seen between our look and now: nothing to remember.
        if seen:
            self._dealt[name] = seen[0]

    def waiting(self) -> bool:
        return bool(self._seen)

    def forget_all_but(self, names: set[str]) -> None:
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        self._dealt = {name: dealt for name, dealt in self._dealt.items() if name in names}


def look_at(spool: Spool, name: str) -> Drop | None:
    """The drop of this name, judged by what was opened without following a link; None if it is none."""
    path = spool.layout.incoming / name
    if name.startswith("."):
        return None
    info = _stat_opened(path)
    if info is None or not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
        return None
    kind = kind_of(name, stat.S_ISDIR(info.st_mode))
    if kind is None:
        return None
    return Drop(name, path, kind, info.st_uid, _drop_id(name, kind, info), version_of(info), info.st_mtime)


def has_drops(spool: Spool) -> bool:
    """Whether anything waits to be admitted, complete or not."""
    return any(look_at(spool, name) is not None for name in spool.ops.names(spool.layout.incoming))


def find_ignored(spool: Spool, name: str) -> str | None:
    """Why a name in ``incoming/`` is left alone although it isn't hidden; None if it is a drop, or gone."""
    if name.startswith(".") or look_at(spool, name) is not None:
        return None
    try:
        mode = (spool.layout.incoming / name).lstat().st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return "a link, which nobody follows: drop a copy"
    if not stat.S_ISREG(mode):
        return "no regular file: drop a copy"
    return "an input? A job file is called NAME.yaml"


def _stat_opened(path: Path) -> os.stat_result | None:
    # Opening makes NFS ask for fresh attributes; a mere stat could be a minute old.
    for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_PATH):
        try:
            handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
        except PermissionError:
            # Its owner lets nobody read it: what it is can be told nevertheless.
            continue
        except OSError:
            # It is gone again, a link, or a device: nothing to admit.
            return None
        try:
            return os.fstat(handle)
        finally:
            os.close(handle)
    return None


def fingerprint(drop: Drop) -> str:
    """Changes whenever anything in the drop does."""
    digest = hashlib.sha256(drop.id.encode())
    if drop.kind is DropKind.FOLDER:
        for path in islice(_walk(drop.path), _MOST_ENTRIES):
            digest.update(_entry(path))
    return digest.hexdigest()


def _walk(root: Path) -> Iterator[Path]:
    """All that is below ``root``. It doesn't recurse: folders may be nested deeper than Python's calls."""
    waiting = [root]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            # It is gone again, or closed to us; then its own times have to do.
            continue
        for entry in found:
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))


def being_written(drop: Drop) -> bool:
    """Whether somebody on this host has the file open for writing; False where that can't be known.

    A read lease (fcntl(2)) is granted only on a file that nobody has open for writing. Only the owner of
    a file and root may ask, and only on a local file system is the answer meant.
    """
    try:
        handle = os.open(drop.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # RACE: a writer that comes before the unlock has the kernel signal us, and SIGIO ends a process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _entry(path: Path) -> bytes:
    try:
        info = path.lstat()
    except OSError as error:
        return f"{path}\0{error.errno}\n".encode(errors="surrogateescape")
    facts = f"{path}\0{info.st_ino}\0{info.st_size}\0{info.st_mtime_ns}\n"
    return facts.encode(errors="surrogateescape")


def version_of(info: os.stat_result) -> tuple[int, int, int]:
    """See ``Drop``."""
    return info.st_ino, info.st_size, info.st_mtime_ns


def _drop_id(name: str, kind: DropKind, info: os.stat_result) -> str:
    # `cp -p` gives a file that is dropped again its old time, and the freed inode is the first to be used
    # again: only the change time differs. What arrives whole has a time of its own, and its change time
    # moves when its hidden name is removed.
    changed = 0 if kind.arrives_whole else info.st_ctime_ns
    facts = f"{name}\0{version_of(info)}\0{changed}"
    return hashlib.sha256(facts.encode(errors="surrogateescape")).hexdigest()[:32]

"""Where a drop's job file and inputs are read from: one class a kind of drop."""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, cast

from distribute_compute_config.errors import DistributeError
from spoold.access import Identity, Unreadable, identity_of, open_below, open_for
from spoold.codec import RecordError, decode
from spoold.drops import Drop, DropKind
from spoold.records import BundleManifest, Input
from spoold.spool import Spool

_MOST_TEXT_BYTES = 10 << 20
#: What `tarfile` raises for an archive that is none, or was made to do harm.
_BROKEN = (tarfile.TarError, EOFError, ValueError, OverflowError, MemoryError, RecursionError)
_MOST_MEMBERS = 100_000


class Rejected(DistributeError):
    """A drop can't be admitted; the message is its reason file."""


class Source(Protocol):
    """A drop that is open for reading."""

    def job_file(self) -> tuple[bytes, str]:
        """The job file's content, and what messages call it."""

    def open_input(self, path: str) -> AbstractContextManager[BinaryIO]:
        """The content of a file that the job file names. Raises Unreadable."""

    def is_executable(self, path: str, opened: BinaryIO) -> bool:
        """Whether the file just opened may be executed."""

    def check(self, path: str, stored: Input) -> None:
        """Raises Unreadable if the content that was read isn't the one that was submitted."""


class FileSource:
    """A bare job file: inputs are read from where it says, if its owner could read them."""

    def __init__(self, spool: Spool, drop: Drop) -> None:
        self._drop, self._owner = drop, identity_of(drop.uid)
        self._base = spool.layout.incoming

    def job_file(self) -> tuple[bytes, str]:
        with open_below(self._base, Path(self._drop.name)) as opened:
            require_one_name(opened, self._drop.name)
            return read_text(opened), self._drop.name

    def open_input(self, path: str) -> AbstractContextManager[BinaryIO]:
        return _open_named(self._owner, self._base, path, "it is looked for beside the job file in incoming/")

    def is_executable(self, path: str, opened: BinaryIO) -> bool:
        return _executable(opened)

    def check(self, path: str, stored: Input) -> None:
        """What is there at admission is what was submitted."""


class FolderSource:
    """A folder with a job file and inputs beside it; relative paths stay inside."""

    def __init__(self, drop: Drop) -> None:
        self._drop, self._owner = drop, identity_of(drop.uid)

    def job_file(self) -> tuple[bytes, str]:
        name = self._find()
        with open_below(self._drop.path, Path(name), self._owner) as opened:
            return read_text(opened), f"{self._drop.name}/{name}"

    def _find(self) -> str:
        try:
            entries = os.listdir(self._drop.path)
        except OSError as error:
            raise Rejected(
                f"{self._drop.name}/ can't be read", error.strerror or "", "let the service user look into it"
            ) from error
        names = sorted(name for name in entries if Path(name).suffix.lower() in (".yaml", ".yml"))
        if "distribute-jobs.yaml" in names:
            return "distribute-jobs.yaml"
        if len(names) != 1:
            found = ", ".join(names) or "none"
            raise Rejected(
                f"{self._drop.name}/ must hold one job file, *.yaml",
                f"found: {found}",
                "call the job file distribute-jobs.yaml",
            )
        return names[0]

    def open_input(self, path: str) -> AbstractContextManager[BinaryIO]:
        return _open_named(self._owner, self._drop.path, path, f"it is looked for in {self._drop.name}/")

    def is_executable(self, path: str, opened: BinaryIO) -> bool:
        return _executable(opened)

    def check(self, path: str, stored: Input) -> None:
        """What is there at admission is what was submitted."""


class BundleSource:
    """What `distribute add` made: the submitter read the inputs already. Use as a context manager."""

    def __init__(self, spool: Spool, drop: Drop) -> None:
        self._drop = drop
        self._opened = open_below(spool.layout.incoming, Path(drop.name))
        try:
            self._tar = tarfile.open(fileobj=cast(BinaryIO, _Pieces(self._opened)), mode="r:")  # noqa: SIM115
            self._members = _index(self._tar)
            with self._member("manifest.json") as manifest:
                self._manifest = decode(BundleManifest, read_text(manifest), "its manifest.json")
        except (*_BROKEN, Unreadable, RecordError) as error:
            self._opened.close()
            why = f"{error.what}: {error.why}" if isinstance(error, DistributeError) else str(error)
            raise Rejected(f"{drop.name} is no bundle", why, "submit with: distribute add") from error
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> BundleSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()
        self._opened.close()

    def job_file(self) -> tuple[bytes, str]:
        with self._member("job.yaml") as opened:
            return read_text(opened), self._manifest.source

    def open_input(self, path: str) -> AbstractContextManager[BinaryIO]:
        entry = self._manifest.files.get(path)
        if entry is None:
            raise Unreadable(path, "the bundle's manifest lacks it", "submit it again with: distribute add")
        return self._member(f"inputs/{entry.sha256}")

    def is_executable(self, path: str, opened: BinaryIO) -> bool:
        return self._manifest.files[path].executable

    def check(self, path: str, stored: Input) -> None:
        if stored.sha256 != self._manifest.files[path].sha256:
            raise Unreadable(path, "it changed while it was bundled", "submit it again with: distribute add")

    def _member(self, name: str) -> AbstractContextManager[BinaryIO]:
        member = self._members.get(name)
        opened = None if member is None else self._tar.extractfile(member)
        if opened is None:
            raise Unreadable(name, "the bundle lacks it", "submit it again with: distribute add")
        return closing(opened)  # type: ignore[arg-type]


class _Pieces:
    """A file that `tarfile` reads in pieces: it takes a header's word for how much to read at once."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened
        self.seek, self.tell = opened.seek, opened.tell

    def read(self, size_bytes: int) -> bytes:
        if size_bytes > _MOST_TEXT_BYTES:
            raise tarfile.ReadError(f"a header of it has {size_bytes} bytes")
        return self._opened.read(size_bytes)


def _index(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Its regular files by name; this reads every header, so that a cut or broken archive is found out."""
    found = {}
    try:
        for count, member in enumerate(tar):
            if count == _MOST_MEMBERS:
                raise tarfile.ReadError(f"it has more than {_MOST_MEMBERS} members")
            if member.isreg() and not member.issparse():
                found[member.name] = member
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise tarfile.ReadError("a size in it is no size of a file") from error
    return found


def open_source(spool: Spool, drop: Drop) -> AbstractContextManager[Source]:
    """Raises Rejected or Unreadable."""
    if drop.kind is DropKind.BUNDLE:
        return BundleSource(spool, drop)
    return _Kept(FileSource(spool, drop) if drop.kind is DropKind.JOB_FILE else FolderSource(drop))


class _Kept(AbstractContextManager[Source]):
    """A source that holds nothing open between two reads."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> Source:
        return self._source

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _open_named(owner: Identity, base: Path, path: str, where: str) -> BinaryIO:
    if Path(path).is_absolute():
        return open_for(owner, Path(path))
    try:
        return open_below(base, Path(path), owner)
    except Unreadable as error:
        raise Unreadable(path, f"{error.why}; {where}", error.hint or "write an absolute path") from error


def require_one_name(opened: BinaryIO, name: str) -> None:
    """Raises Rejected if the file has another name: that could be a stranger's, who says nothing by it."""
    if os.fstat(opened.fileno()).st_nlink > 1:
        raise Rejected(f"{name} is a hard link", "its owner need not have dropped it", "drop a copy: cp")


def read_text(opened: BinaryIO) -> bytes:
    """All of it, if that isn't unreasonably much. Raises Rejected."""
    pieces, size = [], 0
    while piece := opened.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > _MOST_TEXT_BYTES:
            raise Rejected("the job file is larger than 10 MiB", "", "split the batch")
    return b"".join(pieces)


def _executable(opened: BinaryIO) -> bool:
    return bool(os.fstat(opened.fileno()).st_mode & stat.S_IXUSR)

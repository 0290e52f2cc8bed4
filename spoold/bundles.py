"""Writing a bundle: a job file with its inputs in one file, read by the person who submits."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distribute_compute_config.errors import DistributeError
from spoold.codec import encode
from spoold.faults import explaining
from spoold.fsops import Copied
from spoold.records import BundleManifest, Input
from spoold.spool import Spool

if TYPE_CHECKING:
    from distribute_compute_config.loading import LoadedJobFile

_PIECE_BYTES = 1 << 20


class InputChanged(DistributeError):
    """An input changed while it was read."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What will be submitted: the job file, and for each path that it names the content found there."""

    loaded: LoadedJobFile
    base: Path
    files: Mapping[str, Input]

    @property
    def size_bytes(self) -> int:
        return sum(unique.size_bytes for unique in self.contents().values())

    def contents(self) -> dict[str, Input]:
        """One entry a content, by hash."""
        return {entry.sha256: entry for entry in self.files.values()}


def collect(loaded: LoadedJobFile, base: Path, progress: Callable[[int], None] | None = None) -> Bundle:
    """Hash every input; ``progress`` is told bytes. Raises OSError if one can't be read."""
    # A sweep may name one file thousands of times.
    paths = dict.fromkeys(one.path for one in loaded.inputs())
    files = {path: _describe(base, path, progress) for path in paths}
    return Bundle(loaded, base, files)


def drop_bundle(
    spool: Spool, bundle: Bundle, name: str, progress: Callable[[int], None] | None = None
) -> Path:
    """Write the bundle to the drop box under a name that nobody reads, flush it, rename it, and flush that.

    Returns its path there. Raises InputChanged, SpoolFull or OSError.
    """
    hidden = spool.layout.incoming / f".{spool.ops.private().name}.part"
    target = spool.layout.incoming / f"{name}.bundle"
    try:
        with explaining(target), spool.ops.step("write", hidden), open(hidden, "xb") as file:
            _write(bundle, file, progress)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        # A link: two people may drop a bundle of one name at the same time, and neither may be lost.
        if not spool.ops.link_new(hidden, target):
            target = spool.layout.incoming / f"{name}.{spool.ops.private().name}.bundle"
            spool.ops.link_new(hidden, target)
        # What this person is told was submitted stays so, whoever loses power now.
        spool.ops.flush()
        return target
    finally:
        spool.ops.unlink(hidden)


def _describe(base: Path, written: str, progress: Callable[[int], None] | None) -> Input:
    with open(base / written, "rb") as opened:
        executable = bool(os.fstat(opened.fileno()).st_mode & stat.S_IXUSR)
        copied = _hash(opened, progress)
    return Input(Path(written).name, copied.sha256, copied.size_bytes, executable)


def _hash(opened: io.BufferedReader, progress: Callable[[int], None] | None) -> Copied:
    digest, size = hashlib.sha256(), 0
    while piece := opened.read(_PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
        if progress:
            progress(len(piece))
    return Copied(size, digest.hexdigest())


def _write(bundle: Bundle, file: io.BufferedWriter, progress: Callable[[int], None] | None) -> None:
    manifest = BundleManifest(bundle.loaded.source, dict(bundle.files))
    with tarfile.open(fileobj=file, mode="w:") as tar:
        _add(tar, "manifest.json", encode(manifest))
        _add(tar, "job.yaml", bundle.loaded.text.encode())
        done: set[str] = set()
        for written, entry in bundle.files.items():
            if entry.sha256 in done:
                continue
            done.add(entry.sha256)
            with open(bundle.base / written, "rb") as opened:
                if os.fstat(opened.fileno()).st_size != entry.size_bytes:
                    raise InputChanged(f"{written} changed while it was read", "", "submit again")
                tar.addfile(_entry(f"inputs/{entry.sha256}", entry.size_bytes), opened)
            if progress:
                progress(entry.size_bytes)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_entry(name, len(data)), io.BytesIO(data))


def _entry(name: str, size_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size_bytes
    return entry

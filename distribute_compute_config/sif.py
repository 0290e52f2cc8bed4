"""What a SIF image says of itself: whether it is one, for which architecture, and which apps it has.

The format is that of https://github.com/sylabs/sif, ``pkg/sif``: a header, a table of descriptors of equal
size, and the objects that they point to, one of them the file system that runs. ``apptainer build`` adds an
object ``inspect-metadata.json``, the output of ``apptainer inspect --all``, which lists the apps; the images
of old versions of Singularity lack it.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from distribute_compute_config.container import APP
from distribute_compute_config.names import is_name, shorten

#: Launch script, magic, version, architecture, id, two times, free and all descriptors, where and how large
#: these are, and the same of the data.
HEADER = struct.Struct("<32s10s3s3s16sqqqqqqqq")
#: Type, whether it is used, three numbers of itself and others, where, how large, with padding, two times,
#: user, group, name, more by its type.
DESCRIPTOR = struct.Struct("<i?IIIqqqqqqq128s384s")
#: Of a partition: kind of file system, what it is for, architecture.
PARTITION = struct.Struct("<ii3s")
MAGIC, VERSION = b"SIF_MAGIC\0", b"01\0"
METADATA = b"inspect-metadata.json"

_BUILD = "apptainer build IMAGE.sif DEFINITION.def"
_ADD_APP = (
    f"add a section %apprun {APP} to its definition file, with a line such as"
    f' `exec python3 /solver/run.py "$1"`, and build it again: {_BUILD}'
)
_TEXT = frozenset(range(32, 256)) | frozenset(b"\t\n\r\f")
_APPS_SHOWN = 5
_MOST_DESCRIPTORS = 10_000
#: Those of usual images have some KiB; parsed, JSON takes thirty times its size.
_MOST_METADATA_BYTES = 1 << 20
#: As ``uname -m`` says it. Those of 32 bits run on the machines of 64 bits, too: they ask for none.
ARCHITECTURES = {
    b"02": "x86_64",
    b"04": "aarch64",
    b"05": "ppc64",
    b"06": "ppc64le",
    b"11": "s390x",
    b"12": "riscv64",
}


class Data(IntEnum):
    """Types of objects."""

    PARTITION = 0x4004
    JSON = 0x4006


class FileSystem(IntEnum):
    """Kinds of file systems."""

    SQUASHFS = 1
    ENCRYPTED_SQUASHFS = 5


class Use(IntEnum):
    """What a partition is for."""

    PRIMARY_SYSTEM = 2


class BadImage(Exception):
    """A file is no image that can be run: ``why``, and what to do ``instead``."""

    def __init__(self, why: str, instead: str) -> None:
        super().__init__(why, instead)
        self.why, self.instead = why, instead


@dataclass(frozen=True, slots=True)
class Image:
    """``architecture`` as in ``uname -m``; None: any, or an unusual one. ``apps``: None if it doesn't say."""

    architecture: str | None
    apps: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Object:
    kind: int
    offset: int
    size_bytes: int
    name: bytes
    more: bytes


def read_image(opened: BinaryIO) -> Image:
    """Raises BadImage of what apptainer couldn't run, and OSError."""
    head = opened.read(HEADER.size)
    if head[32:42] != MAGIC or len(head) < HEADER.size:
        raise BadImage(f"it is no SIF image{_guess(head)}", f"build one: {_BUILD}")
    _, _, version, architecture, _, _, _, _, total, table_at, *_ = HEADER.unpack(head)
    if version != VERSION:
        shown = version.rstrip(b"\0").decode(errors="replace")
        raise BadImage(f"its SIF format has the version {shown!r}, and only 01 is known", "build it anew")
    if not 0 < total <= _MOST_DESCRIPTORS:
        raise _damaged()
    objects = list(_read_objects(opened, total, table_at))
    _require_system(objects)
    return Image(ARCHITECTURES.get(architecture[:2]), _read_apps(opened, objects))


def require_app(image: Image) -> None:
    """Raises BadImage if it is known that the image has no app that runs a job."""
    if image.apps is None or APP in image.apps:
        return
    # Whoever made the image chose the names.
    others = [app if is_name(app) else shorten(app) for app in sorted(image.apps)[:_APPS_SHOWN]]
    has = f"it has {', '.join(others)}" if others else "it has none at all"
    raise BadImage(f"the image has no app {APP}, which runs a job; {has}", _ADD_APP)


def _read_objects(opened: BinaryIO, total: int, table_at: int) -> Iterator[_Object]:
    size_bytes = opened.seek(0, os.SEEK_END)
    if not 0 < table_at < size_bytes:
        raise _damaged()
    opened.seek(table_at)
    table = opened.read(total * DESCRIPTOR.size)
    if len(table) < total * DESCRIPTOR.size:
        raise _damaged()
    for kind, used, _, _, _, offset, length, _, _, _, _, _, name, more in DESCRIPTOR.iter_unpack(table):
        if not used:
            continue
        if offset < 0 or length < 0 or offset + length > size_bytes:
            raise _damaged()
        yield _Object(kind, offset, length, name.rstrip(b"\0"), more)


def _require_system(objects: list[_Object]) -> None:
    systems = [
        file_system
        for file_system, use, _ in (
            PARTITION.unpack_from(one.more) for one in objects if one.kind == Data.PARTITION
        )
        if use == Use.PRIMARY_SYSTEM
    ]
    if not systems:
        raise BadImage("the image has no file system that could be run", f"build it: {_BUILD}")
    if systems[0] == FileSystem.ENCRYPTED_SQUASHFS:
        raise BadImage("the image is encrypted, and no node has its key", "build it without --encrypt")


def _read_apps(opened: BinaryIO, objects: list[_Object]) -> frozenset[str] | None:
    for one in objects:
        if one.kind == Data.JSON and one.name == METADATA and one.size_bytes <= _MOST_METADATA_BYTES:
            opened.seek(one.offset)
            try:
                attributes = json.loads(opened.read(one.size_bytes))["data"]["attributes"]
                return frozenset(map(str, attributes.get("apps") or ()))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return None
    return None


def _guess(head: bytes) -> str:
    """What it is instead, where that is easily seen."""
    if not head:
        return ", it is empty"
    if head.startswith(b"hsqs"):
        return " but a bare squashfs file system"
    return " but a text file" if _TEXT.issuperset(head) else ""


def _damaged() -> BadImage:
    return BadImage("the image is damaged or cut short", "copy it here again, or build it again")

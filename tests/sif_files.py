"""Files that say they are images: enough for whoever reads them, nothing that could be run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from distribute_compute_config.sif import (
    DESCRIPTOR,
    HEADER,
    MAGIC,
    METADATA,
    PARTITION,
    VERSION,
    Data,
    FileSystem,
    Use,
)

_TABLE_AT = 4096
_SYSTEM = b"hsqs, or what would be a file system"


def write_sif(
    path: Path,
    apps: Iterable[str] | None = ("distribute",),
    architecture: bytes = b"02",
    file_system: int = FileSystem.SQUASHFS,
    use: int = Use.PRIMARY_SYSTEM,
) -> Path:
    """An image with these apps, None: one that doesn't say; the architecture as a SIF file numbers it."""
    metadata = json.dumps(
        {"data": {"attributes": {"apps": {app: {} for app in apps or ()}}}, "type": "container"}
    )
    more = PARTITION.pack(file_system, use, architecture + b"\0")
    objects = [(Data.PARTITION, _SYSTEM, b"system", more)]
    if apps is not None:
        objects.insert(0, (Data.JSON, metadata.encode(), METADATA, b""))
    data_at = _TABLE_AT + (len(objects) + 1) * DESCRIPTOR.size
    table, data = b"", b""
    for number, (kind, content, name, extra) in enumerate(objects, 1):
        size = len(content)
        table += DESCRIPTOR.pack(
            kind, True, number, 1, 0, data_at + len(data), size, size, 0, 0, 0, 0, name, extra
        )
        data += content
    table += DESCRIPTOR.pack(0, False, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b"", b"")
    places = (1, len(objects) + 1, _TABLE_AT, len(table), data_at, len(data))
    launch = b"#!/usr/bin/env run-singularity\n"
    head = HEADER.pack(launch, MAGIC, VERSION, architecture + b"\0", bytes(16), 0, 0, *places)
    path.write_bytes(head.ljust(_TABLE_AT, b"\0") + table + data)
    return path


def hide_apps(path: Path) -> None:
    """Let an image say nothing of its apps, as those of old versions of Singularity."""
    data = bytearray(path.read_bytes())
    total, table_at = HEADER.unpack_from(data)[8:10]
    for at in range(table_at, table_at + total * DESCRIPTOR.size, DESCRIPTOR.size):
        kind, _, *rest = DESCRIPTOR.unpack_from(data, at)
        if kind == Data.JSON:
            DESCRIPTOR.pack_into(data, at, kind, False, *rest)
    path.write_bytes(data)

"""Two archives of one job file, compared file by file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

#: Of ``.job.json``: where and when it ran, and what that took. All else must be equal.
_VARYING = {
    *("node", "started_at", "ended_at", "wall_s", "user_cpu_s", "system_cpu_s", "peak_memory_bytes"),
    *("read_bytes", "written_bytes", "core_ids", "cores", "gpu_ids", "versions"),
}
_VARYING_OF_BATCH = {"id", "submitted_at", "source", "submitter", "submitter_uid"}


def read_archive(folder: Path) -> dict[str, Any]:
    """By path below ``archive/NAMESPACE/BATCH``: a record as a dict without what varies, else mode and bytes."""
    return {
        _normal(path.relative_to(folder)): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def record_keys(folder: Path) -> dict[str, set[str]]:
    """The keys of each job's record."""
    records = folder.glob("*/.job.json")
    return {path.parent.name: set(json.loads(path.read_text())) for path in records}


def _normal(path: Path) -> str:
    """The node that built differs."""
    return re.sub(r"(_build_output-).*(\.txt)$", r"\1NODE\2", path.as_posix())


def _read(path: Path) -> Any:
    assert not path.is_symlink(), path
    if path.name == ".job.json":
        record = json.loads(path.read_text())
        return {key: value for key, value in record.items() if key not in _VARYING}
    if path.name == "batch.json":
        record = json.loads(path.read_text())
        return {key: value for key, value in record.items() if key not in _VARYING_OF_BATCH}
    return path.stat().st_mode & 0o777, path.read_bytes()

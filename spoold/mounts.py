"""What kind of file system a folder is on."""

from __future__ import annotations

from pathlib import Path

_SHARED = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs")


def is_local(path: Path) -> bool:
    """Whether no other host can change what is below ``path``, as far as the mount table tells."""
    return not file_system(path, Path("/proc/self/mountinfo").read_text()).startswith(_SHARED)


def file_system(path: Path, mountinfo: str) -> str:
    """The type of the file system that holds ``path``; ``mountinfo`` as in proc(5)."""
    best, kind = "", ""
    real = f"{path.resolve()}/"
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4].replace("\\040", " ").rstrip("/") + "/"
        if real.startswith(point) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind

"""What the guests are made of: Debian's packages, unpacked, and an initial RAM disk; both made once."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tests.nfs.bed.initrd import Entry, make_archive

_PACKAGES = (
    "user-mode-linux",
    "nfs-common",
    "nfs-kernel-server",
    "busybox-static",
    "kmod",
    "libkmod2",
    "rpcbind",
    "libwrap0",
    "libnfsidmap1",
    "libevent-core-2.1-7",
    "libkeyutils1",
    "libtirpc3",
    "libtirpc-common",
    "libdevmapper1.02.1",
    "libnsl2",
    "keyutils",
)
_PROGRAMS = {
    "apt-get": "apt",
    "dpkg": "dpkg",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux",
}
_INSIDE = Path(__file__).with_name("inside")
_PROBE = ("unshare", "--net", "ip", "tuntap", "add", "dev", "probe", "mode", "tap")


class Unavailable(Exception):
    """The packages can't be had here."""


@dataclass(frozen=True, slots=True)
class Kit:
    """``root`` holds the unpacked packages; ``kernel`` is run with the RAM disk ``initrd``."""

    root: Path
    initrd: Path

    @property
    def kernel(self) -> Path:
        return self.root / "usr/bin/linux.uml"


def why_impossible() -> str:
    """Why no bed can be made on this machine, packages aside; empty if nothing is known to be in the way."""
    if platform.machine() != "x86_64":
        return f"User-mode Linux runs on x86_64, this is {platform.machine()}"
    if os.geteuid() != 0:
        return "it takes root to make a network of guests"
    missing = sorted({package for program, package in _PROGRAMS.items() if not shutil.which(program)})
    if missing:
        return f"not installed: {' '.join(missing)}"
    probe = subprocess.run(_PROBE, capture_output=True, text=True)
    if probe.returncode:
        return f"no network of its own with /dev/net/tun may be made here: {probe.stderr.strip()}"
    return ""


def prepare(folder: Path) -> Kit:
    """The kit in ``folder``, which is filled if need be. Raises Unavailable."""
    with FileLock(f"{folder}.lock"):
        return _prepare(folder)


def _prepare(folder: Path) -> Kit:
    kit = Kit(folder / "root", folder / "initrd.img")
    mark = folder / "complete"
    wanted = " ".join(_PACKAGES)
    if not mark.is_file() or mark.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _unpack(_fetch(folder / "packages"), kit.root)
        shutil.rmtree(folder / "packages")
        mark.write_text(wanted)
    archive = make_archive(_initrd_entries(kit.root))
    if not kit.initrd.exists() or kit.initrd.read_bytes() != archive:
        kit.initrd.write_bytes(archive)
    return kit


def _fetch(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *_PACKAGES]
    if subprocess.run(download, cwd=folder, capture_output=True).returncode:
        # A container's lists of packages are often missing or old.
        _call(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60", "update"], folder)
        _call(download, folder)
    return sorted(folder.glob("*.deb"))


def _unpack(packages: list[Path], root: Path) -> None:
    # As on the host, so that laying one over the other keeps the host's links.
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        _call(
            ["sh", "-c", 'dpkg --fsys-tarfile "$0" | tar x --keep-directory-symlink -C "$1"', package, root],
            root,
        )
    (root / "usr/lib/modules").symlink_to("uml/modules")
    depmod = root / "usr/bin/depmod"
    depmod.symlink_to("kmod")
    libraries = {"LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    _call([depmod, "-b", root, _modules(root).name], root, libraries)


def _modules(root: Path) -> Path:
    """The folder of the kernel's modules, called like its version."""
    (found,) = (root / "usr/lib/uml/modules").iterdir()
    return found


def _initrd_entries(root: Path) -> list[Entry]:
    return [
        *(Entry.folder(name) for name in ("bin", "proc", "sys", "dev")),
        Entry.device("dev/console", 5, 1),
        Entry.file("bin/busybox", root / "usr/bin/busybox", 0o755),
        Entry.file("overlay.ko", _modules(root) / "kernel/fs/overlayfs/overlay.ko", 0o644),
        Entry.file("init", _INSIDE / "init.sh", 0o755),
    ]


def _call(argv: Sequence[str | Path], cwd: Path, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(argv, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{argv[0]} {argv[1]}: {done.stderr.strip() or done.returncode}")

"""Whether this process may make control groups (cgroup v2), where, and with which controllers.

The rules are those of systemd's "Control Group APIs and Delegation": below a group that was delegated we may
do as we like. A group that has controllers for the groups below it must have no process itself, so the daemon
and the runners move into one called ``daemon`` and each run gets one beside that.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

#: Those that are used where they are there. What was transferred is known without ``io``, but less of it.
WANTED = ("cpu", "cpuset", "io", "memory", "pids")
_DAEMON, _BELOW_ROOT = "daemon", "nodewatch"


@dataclass(frozen=True, slots=True)
class Delegation:
    """Runs get their groups in ``base``, with ``controllers``; daemon and runners are in ``home``."""

    base: Path
    home: Path
    controllers: tuple[str, ...]

    def group(self, run_dir: Path) -> Path:
        """The folder of a run's group; different for each run of this machine."""
        return self.base / name_group(run_dir)


@dataclass(frozen=True, slots=True)
class Undelegated:
    """There is nothing to make groups in, and why."""

    why: str


def name_group(run_dir: Path) -> str:
    """What the group of a run is called, for as long as its folder has this name."""
    return f"run-{hashlib.blake2b(os.fsencode(run_dir), digest_size=8).hexdigest()}"


def own_group(lines: str) -> str | None:
    """The group that ``/proc/self/cgroup`` names; None without cgroup v2. Pure."""
    return next((line[3:] for line in lines.splitlines() if line.startswith("0::/")), None)


def own_folder(group: str, mounts: str) -> Path | None:
    """Where the folder of ``group`` is, by the lines of ``/proc/self/mountinfo``; None if nowhere. Pure."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        # A container may show a part of the tree only.
        if after.startswith("cgroup2 ") and Path(group).is_relative_to(root):
            return Path(_unescape(point)) / Path(group).relative_to(root)
    return None


def _unescape(path: str) -> str:
    """Blanks and the like are octal there, see proc(5)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def delegate() -> Delegation | Undelegated:
    """Make ready for runs with groups, which moves this process; call it before runners are started.

    Safe to repeat, and for several daemons in one group.
    """
    group = own_group(_read(Path("/proc/self/cgroup")))
    if group is None:
        return Undelegated("this kernel has no cgroup v2")
    own = own_folder(group, _read(Path("/proc/self/mountinfo")))
    if own is None:
        return Undelegated("no cgroup2 file system is mounted")
    try:
        return _make_ready(own)
    except OSError as error:
        return Undelegated(f"{own} isn't delegated to this process: {error.strerror}")


def _make_ready(own: Path) -> Delegation:
    """Raises OSError."""
    if not (own / "cgroup.type").exists():
        # The root of all: it may have both processes and controllers. What is ours stays in one place.
        base, home = own / _BELOW_ROOT, own
        base.mkdir(exist_ok=True)
        _enable(own)
    else:
        # An earlier start of this process, or whoever started it, may have moved it already.
        moved = own.name == _DAEMON and os.access(own.parent / "cgroup.procs", os.W_OK)
        base = own.parent if moved else own
        home = base / _DAEMON
        home.mkdir(exist_ok=True)
        (home / "cgroup.procs").write_text("0")
    _enable(base)
    return Delegation(base, home, tuple(sorted(_enabled(base))))


def _enable(folder: Path) -> None:
    """As many as may be. With a foreign process in ``folder`` that is none: EBUSY."""
    for controller in sorted(
        set(WANTED) & set(_read(folder / "cgroup.controllers").split()) - _enabled(folder)
    ):
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue


def _enabled(folder: Path) -> set[str]:
    return set(WANTED) & set(_read(folder / "cgroup.subtree_control").split())


def _read(path: Path) -> str:
    """Empty if it can't be read."""
    try:
        return path.read_text()
    except OSError:
        return ""

"""Runs in a guest as root, alone in a pure cgroup v2: what comes of limits there, as JSON on standard output.

``python -m tests.process.inside_guest FOLDER``
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nodewatch.process import (
    Delegation,
    Launcher,
    Limits,
    Run,
    RunSpec,
    Undelegated,
    delegate,
    pause,
    peek,
    read_exit,
    resume,
    stop,
)
from nodewatch.process.runner.groups import Group
from tests.support import find_runs, wait_until

MIB = 1 << 20
_ROOT = Path("/sys/fs/cgroup")
_UNIT = _ROOT / "system.slice" / "nodewatch.service"
_STRANGER = 1000

HOLD = "x = b'1' * {mib} * 1024 * 1024"
#: Two of 40 MiB, one of them in a session of its own; the first ends when both have their memory.
TWO = f"""
import os, time
reader, writer = os.pipe()
child = not os.fork()
if child: os.setsid()
{HOLD.format(mib=40)}
if child:
    os.write(writer, b"x")
    time.sleep(60)
os.read(reader, 1)
"""
#: Small itself; its child is not.
FAMILY = f"import os, time\nif not os.fork(): {HOLD.format(mib=200)}\ntime.sleep(60)"
FORKS = """
import os, time
made = 0
try:
    while made < 100:
        if not os.fork(): time.sleep(60)
        made += 1
except BlockingIOError:
    os._exit(made)
"""


@dataclass(frozen=True)
class Place:
    """Where runs are started."""

    folder: Path
    launcher: Launcher

    def start(self, name: str, script: str, limits: Limits, grace_s: float = 0.2) -> Run:
        run_dir = self.folder / name
        run_dir.mkdir()
        argv = (sys.executable, "-S", "-c", script)
        out, env = run_dir / "out", {"PATH": os.environ["PATH"]}
        return self.launcher.launch(run_dir, RunSpec(argv, run_dir, env, out, out, grace_s, limits))

    def finish(self, run: Run) -> dict[str, Any]:
        """How it ended, and what is left of it."""
        with run:
            assert run.wait(40.0), run
        record = read_exit(run.run_dir)
        assert record is not None
        group = run.group
        return {
            **asdict(record),
            "left": [command for _, command in find_runs(self.folder)],
            "group_left": group is not None and Path(group.path).exists(),
        }

    def run(self, name: str, script: str, limits: Limits) -> dict[str, Any]:
        return self.finish(self.start(name, script, limits))


def forgotten(place: Place) -> dict[str, Any]:
    """The limit is taken away with its controller, and given back without it, as at a restart of the unit."""
    run = place.start(
        "forgotten", f"import time\ntime.sleep(3)\n{HOLD.format(mib=200)}", Limits(memory_bytes=64 * MIB)
    )
    assert run.group
    limit = Path(run.group.path) / "memory.max"
    before = limit.read_text().strip()
    (_UNIT / "cgroup.subtree_control").write_text("-memory")
    gone = not limit.exists()
    (_UNIT / "cgroup.subtree_control").write_text("+memory")
    after = limit.read_text().strip()
    return {"before": before, "gone": gone, "after": after, **place.finish(run)}


def paused(place: Place) -> dict[str, Any]:
    """CPU seconds before, at the end of, and after a pause of half a second."""
    run = place.start("paused", "import os\nos.fork()\nwhile True: pass", Limits())
    wait_until(lambda: peek(run).processes == 2 and peek(run).cpu_s > 0.1)
    pause(run)
    before_s = peek(run).cpu_s
    begin_s = time.monotonic()
    wait_until(lambda: time.monotonic() - begin_s > 0.5)
    during_s = peek(run).cpu_s
    resume(run)
    wait_until(lambda: peek(run).cpu_s > during_s)
    usage = peek(run)
    stop(run, "enough")
    return {"before_s": before_s, "during_s": during_s, "usage": asdict(usage), **place.finish(run)}


def bound(place: Place) -> dict[str, Any]:
    run = place.start(
        "bound", "import time; time.sleep(60)", Limits(cpus=(0,), memory_bytes=64 * MIB, pids=20)
    )
    assert run.group
    names = ("cpu.max", "cpuset.cpus", "memory.max", "memory.oom.group", "pids.max", "cgroup.procs")
    files = {name: (Path(run.group.path) / name) for name in names}
    found = {name: file.read_text().strip() for name, file in files.items() if file.exists()}
    runner = Path(f"/proc/{run.pid}/cgroup").read_text().strip()
    stop(run, "enough")
    return {"files": found, "runner": runner, **place.finish(run)}


def as_somebody(delegated: bool) -> dict[str, Any]:
    """What another user finds in a group of his own, as below ``systemd --user``, or in one of root's."""
    group = _ROOT / f"user-{delegated}"
    group.mkdir()
    (_ROOT / "cgroup.subtree_control").write_text("+memory +pids")
    for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads") if delegated else ():
        os.chown(group / name, _STRANGER, _STRANGER)
    reader, writer = os.pipe()
    if not os.fork():
        (group / "cgroup.procs").write_text("0")
        os.setuid(_STRANGER)
        os.write(writer, json.dumps(_find_and_use()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        found: dict[str, Any] = json.load(answer)
    os.wait()
    return found


def _find_and_use() -> dict[str, Any]:
    found = delegate()
    if isinstance(found, Undelegated):
        return {"why": found.why}
    group = Group(str(found.base / "run-x"), str(found.home))
    group.make()
    group.enter()
    inside = Path("/proc/self/cgroup").read_text().strip()
    group.leave()
    group.cap(64 * MIB, 20)
    caps = group.caps_memory(64 * MIB)
    group.clear()
    return {"inside": inside, "home": str(found.home), "controllers": found.controllers, "caps": caps}


def in_the_root() -> dict[str, Any]:
    found = delegate()
    assert isinstance(found, Delegation)
    return {"base": str(found.base), "home": str(found.home), "controllers": found.controllers}


def main(folder: Path) -> None:
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(_ROOT)], check=True)
    results: dict[str, Any] = {
        "user": as_somebody(True),
        "stranger": as_somebody(False),
        "root": in_the_root(),
    }
    (_UNIT).mkdir(parents=True)
    for part in (_ROOT, _UNIT.parent):
        (part / "cgroup.subtree_control").write_text("+cpu +io +memory +pids")
    (_UNIT / "cgroup.procs").write_text("0")
    delegation = delegate()
    assert isinstance(delegation, Delegation), delegation
    again = delegate()
    results["unit"] = {"base": str(delegation.base), "home": str(delegation.home), "again": again == delegation,
                       "controllers": delegation.controllers}  # fmt: skip
    with Launcher(delegation) as launcher:
        place = Place(folder, launcher)
        results["over"] = place.run("over", TWO, Limits(memory_bytes=64 * MIB))
        results["within"] = place.run("within", TWO, Limits(memory_bytes=120 * MIB))
        results["family"] = place.run("family", FAMILY, Limits(memory_bytes=64 * MIB))
        results["tiny"] = place.run("tiny", "pass", Limits(memory_bytes=MIB, pids=1))
        results["forks"] = place.run("forks", FORKS, Limits(pids=20))
        results["bound"] = bound(place)
        results["paused"] = paused(place)
        results["forgotten"] = forgotten(place)
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

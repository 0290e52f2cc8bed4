"""Processes of the systems that are measured: starting, waiting, ending, and their CPU time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

from .figures import BenchmarkError

T = TypeVar("T")

NO_OP = ("/bin/sh", "-c", "true")
_INTO_GROUP = 'echo $$ > "$0" && exec "$@"'


class Meter(Protocol):
    """Measures the CPU time of all that a system starts through ``wrap``."""

    def wrap(self, argv: list[str]) -> list[str]:
        """The command line that runs ``argv`` where it is measured."""

    def used_s(self) -> float | None:
        """CPU seconds used so far; None if this machine can't tell."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class GroupMeter:
    """A control group (version 2): it counts also those processes that nobody waits for."""

    folder: Path

    def wrap(self, argv: list[str]) -> list[str]:
        return ["/bin/sh", "-c", _INTO_GROUP, str(self.folder / "cgroup.procs"), *argv]

    def used_s(self) -> float:
        return _read_usage_s(self.folder)

    def close(self) -> None:
        # The kernel lets go of a group only some time after its last process was waited for.
        wait_until(self._remove, 10, f"{self.folder} to become empty")

    def _remove(self) -> bool:
        try:
            # A daemon makes groups of its own below that.
            for folder in (*self.folder.glob("*/"), self.folder):
                folder.rmdir()
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class NoMeter:
    """Where no control group can be made."""

    def wrap(self, argv: list[str]) -> list[str]:
        return argv

    def used_s(self) -> None:
        return None

    def close(self) -> None:
        return None


def make_meter() -> Meter:
    """A new control group below this process's own, if it may make one."""
    own = _own_group()
    if own is None:
        return NoMeter()
    folder = own / f"dispatch-bench-{os.getpid()}-{time.monotonic_ns()}"
    try:
        folder.mkdir()
        _read_usage_s(folder)
        subprocess.run(GroupMeter(folder).wrap(["true"]), check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        if folder.is_dir():
            folder.rmdir()
        return NoMeter()
    return GroupMeter(folder)


def _own_group() -> Path | None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    roots = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
    paths = [
        line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")
    ]
    return Path(roots[0]) / paths[0].lstrip("/") if roots and paths else None


def _read_usage_s(folder: Path) -> float:
    fields = (folder / "cpu.stat").read_text().split()
    return int(fields[fields.index("usage_usec") + 1]) / 1e6


def measure_noop_s(times: int = 200) -> float:
    """CPU seconds of one no-op, from its fork to its end; the mean of ``times``."""
    used_s = 0.0
    for _ in range(times):
        pid = os.posix_spawn(NO_OP[0], NO_OP, os.environ)
        usage = os.wait4(pid, 0)[2]
        used_s += usage.ru_utime + usage.ru_stime
    return used_s / times


def with_descendants(roots: Iterable[int]) -> list[psutil.Process]:
    """The processes ``roots`` and all below them that live now."""
    found: list[psutil.Process] = []
    for pid in roots:
        try:
            root = psutil.Process(pid)
            found += [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def read_cpu_s(processes: Iterable[psutil.Process]) -> dict[psutil.Process, float]:
    """The CPU seconds that each of the processes itself has used, those of its children left out."""
    used: dict[psutil.Process, float] = {}
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used[process] = times.user + times.system
    return used


def cpu_between_s(before: dict[psutil.Process, float], after: dict[psutil.Process, float]) -> float:
    """What the processes that are in both readings used in between."""
    return sum(after[process] - before[process] for process in before.keys() & after.keys())


def script(name: str) -> str:
    """The path of a console script of this Python environment."""
    return str(Path(sys.executable).parent / name)


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without settings of the system under test, with ``changes``."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("DISTRIBUTE", "NODEWATCH"))
    }
    return kept | changes


def run_to_end(argv: list[str], **options: object) -> str:
    """What ``argv`` printed. Raises BenchmarkError with its errors if it doesn't exit with 0."""
    done = subprocess.run(argv, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise BenchmarkError(
            f"{' '.join(argv)} exited with {done.returncode}", (done.stdout + done.stderr)[-2000:]
        )
    return str(done.stdout)


def end(process: subprocess.Popen[bytes], within_s: float = 20) -> None:
    """SIGTERM, and SIGKILL for who doesn't heed it."""
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(look: Callable[[], T], within_s: float, what: str, every_s: float = 0.01) -> T:
    """Poll ``look`` until it returns something true, and return that. Raises BenchmarkError."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"waited {within_s:g} s for {what}", f"last seen: {seen!r}")
        time.sleep(every_s)
    return seen

"""Other people's ways to run many commands on one machine, as they come from their packages.

Each runs the same no-op, two at a time. ``xargs`` and GNU parallel keep nothing; task-spooler keeps each
job's output in a file. None of them flushes anything to stable storage.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from .figures import BenchmarkError, Run
from .processes import NO_OP, Meter, clean_environment, measure_noop_s, run_to_end

_SUBMIT_ALL = f'i=0; while [ $i -lt "$0" ]; do tsp {" ".join(NO_OP)} || exit 1; i=$((i + 1)); done'


@dataclass(frozen=True, slots=True)
class Stamps:
    """When the first and the last of ``count`` jobs left their mark, Unix seconds."""

    count: int
    first_at: float
    last_at: float

    @property
    def span_s(self) -> float:
        return self.last_at - self.first_at


def read_stamps(folder: Path, pattern: str) -> Stamps:
    """The times at which the files of ``folder`` that match ``pattern`` were written last."""
    times = [path.stat().st_mtime for path in folder.glob(pattern)]
    if not times:
        raise BenchmarkError(f"no output in {folder}", f"no file matches {pattern}")
    return Stamps(len(times), min(times), max(times))


def require(system: str, done: int, jobs: int) -> None:
    """Raises BenchmarkError unless all jobs were done."""
    if done != jobs:
        raise BenchmarkError(f"{system} did {done} of {jobs} jobs")


@dataclass(frozen=True, slots=True)
class Xargs:
    """``xargs -P2``: about the least that can be done to start a process."""

    name: str = "xargs"

    def why_missing(self) -> str | None:
        return None if shutil.which("xargs") else "no xargs in PATH"

    def run(self, jobs: int, round_number: int, folder: Path, meter: Meter) -> Run:
        numbers = folder / "numbers"
        numbers.write_text("".join(f"{number}\n" for number in range(jobs)))
        noop_cpu_s = measure_noop_s()
        began_at, began_s = time.monotonic(), meter.used_s()
        run_to_end(meter.wrap(["xargs", "-P2", "-n1", "-a", str(numbers), *NO_OP]))
        total_s = time.monotonic() - began_at
        return Run(
            self.name, round_number, jobs, total_s, noop_cpu_s, all_cpu_s=_difference(began_s, meter.used_s())
        )


@dataclass(frozen=True, slots=True)
class Parallel:
    """GNU parallel, which runs each command line by ``/bin/sh -c``; its job log is counted."""

    name: str = "GNU parallel"

    def why_missing(self) -> str | None:
        return None if shutil.which("parallel") else "no parallel in PATH (Debian package parallel)"

    def run(self, jobs: int, round_number: int, folder: Path, meter: Meter) -> Run:
        log, numbers = folder / "log", folder / "numbers"
        numbers.write_text("".join(f"{number}\n" for number in range(jobs)))
        environment = clean_environment(PARALLEL_SHELL="/bin/sh", PARALLEL_HOME=str(folder / "home"))
        argv = ["parallel", "--will-cite", "-j2", "-N0", "--joblog", str(log), "-a", str(numbers), "true"]
        noop_cpu_s = measure_noop_s()
        began_at, began_s = time.monotonic(), meter.used_s()
        run_to_end(meter.wrap(argv), env=environment)
        total_s = time.monotonic() - began_at
        cpu_s = _difference(began_s, meter.used_s())
        require(self.name, len(log.read_text().splitlines()) - 1, jobs)
        return Run(self.name, round_number, jobs, total_s, noop_cpu_s, all_cpu_s=cpu_s)


@dataclass(frozen=True, slots=True)
class TaskSpooler:
    """task-spooler with two slots and a server that was started before; a shell loop submits job after job.

    Each submitting process stays as its job's parent, so the CPU time includes submission.
    """

    name: str = "task-spooler"

    def why_missing(self) -> str | None:
        return None if shutil.which("tsp") else "no tsp in PATH (Debian package task-spooler)"

    def run(self, jobs: int, round_number: int, folder: Path, meter: Meter) -> Run:
        environment = clean_environment(
            TS_SOCKET=str(folder / "socket"), TMPDIR=str(folder), TS_MAXFINISHED=str(jobs + 1)
        )
        run_to_end(meter.wrap(["tsp", "-S", "2"]), env=environment)
        try:
            return self._measure(jobs, round_number, folder, meter, environment)
        finally:
            run_to_end(["tsp", "-K"], env=environment)

    def _measure(
        self, jobs: int, round_number: int, folder: Path, meter: Meter, environment: dict[str, str]
    ) -> Run:
        noop_cpu_s = measure_noop_s()
        began_at, began_s = time.monotonic(), meter.used_s()
        identifiers = run_to_end(
            meter.wrap(["/bin/sh", "-c", _SUBMIT_ALL, str(jobs)]), env=environment
        ).split()
        submitted_at = time.monotonic()
        run_to_end(["tsp", "-w", identifiers[-1]], env=environment)
        _await_all(environment, jobs)
        ended_at, cpu_s = time.monotonic(), _difference(began_s, meter.used_s())
        return Run(
            self.name,
            round_number,
            jobs,
            ended_at - began_at,
            noop_cpu_s,
            submit_s=submitted_at - began_at,
            steady_s=read_stamps(folder, "ts-out.*").span_s,
            all_cpu_s=cpu_s,
        )


def _await_all(environment: dict[str, str], jobs: int) -> None:
    """The last job to start may end before its neighbour. Raises BenchmarkError if one didn't exit with 0."""
    lines = [line.split() for line in run_to_end(["tsp", "-l"], env=environment).splitlines()[1:]]
    for line in lines:
        if line[1] in {"running", "queued"}:
            run_to_end(["tsp", "-w", line[0]], env=environment)
    good = sum(line[1] == "finished" and line[3] == "0" for line in lines)
    good += sum(line[1] in {"running", "queued"} for line in lines)
    require("task-spooler", good, jobs)


def _difference(before_s: float | None, after_s: float | None) -> float | None:
    return None if before_s is None or after_s is None else after_s - before_s

"""HyperQueue: a server and two workers of one CPU each, by its Python interface.

Server and client are processes of their own, as with the system under test: so their CPU times can be told
apart, and submitting means, for both, to start a Python program. HyperQueue keeps each task's two outputs in
files and flushes nothing to stable storage.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .figures import BenchmarkError, Run
from .peers import read_stamps, require
from .processes import (
    NO_OP,
    Meter,
    clean_environment,
    cpu_between_s,
    measure_noop_s,
    read_cpu_s,
    run_to_end,
    wait_until,
    with_descendants,
)

_HERE = Path(__file__).parent
_WARM_UP_JOBS = 8


@dataclass(frozen=True, slots=True)
class HyperQueue:
    """The end is the time stamp of the newest output file: HyperQueue's own waiting looks once a second."""

    name: str = "HyperQueue"

    def why_missing(self) -> str | None:
        return None if find_spec("hyperqueue") else "not installed (PyPI hyperqueue)"

    def run(self, jobs: int, round_number: int, folder: Path, meter: Meter) -> Run:
        server = folder / "server"
        server.mkdir()
        with _serving(server, meter) as process:
            _submit(server, folder / "warm-up", _WARM_UP_JOBS)
            noop_cpu_s = measure_noop_s()
            before = read_cpu_s(with_descendants([process.pid]))
            began_at, began_s = time.time(), meter.used_s()
            submitted_at = _submit(server, folder / "output", jobs)
            used_s = meter.used_s()
            after = read_cpu_s(before)
        stamps = read_stamps(folder / "output", "*.stdout")
        require(self.name, stamps.count, jobs)
        return Run(
            self.name,
            round_number,
            jobs,
            stamps.last_at - began_at,
            noop_cpu_s,
            submit_s=submitted_at - began_at,
            steady_s=stamps.span_s,
            all_cpu_s=None if used_s is None or began_s is None else used_s - began_s,
            daemon_cpu_s=cpu_between_s(before, after),
        )


@contextmanager
def _serving(server: Path, meter: Meter) -> Iterator[subprocess.Popen[bytes]]:
    """A running server with its workers; it is stopped by the end of its input."""
    argv = meter.wrap([sys.executable, "-I", str(_HERE / "hyperqueue_cluster.py"), str(server)])
    output, errors = server.parent / "server.out", server.parent / "server.err"
    with output.open("wb") as out, errors.open("wb") as err:
        environment = clean_environment(TMPDIR=str(server.parent))
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=err, env=environment)
    try:
        wait_until(
            lambda: b"ready" in output.read_bytes() or process.poll() is not None, 30, "HyperQueue's server"
        )
        if process.poll() is not None:
            raise BenchmarkError("HyperQueue's server ended at once", errors.read_text()[-2000:])
        yield process
    finally:
        process.communicate(timeout=30)


def _submit(server: Path, output: Path, jobs: int) -> float:
    """Runs the tasks; returns when the server had all of them, Unix seconds."""
    output.mkdir()
    client = [sys.executable, "-I", str(_HERE / "hyperqueue_client.py"), str(server), str(output), str(jobs)]
    return float(run_to_end([*client, *NO_OP]))

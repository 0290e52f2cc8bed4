"""The system under test: a private spool, node daemons, ``distribute add``; every result is verified."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from spoold.codec import decode
from spoold.layout import RECORD_NAME, Layout
from spoold.records import JobRecord, Outcome
from spoold.tickets import State, Ticket

from .figures import BenchmarkError, Run
from .peers import Stamps
from .processes import (
    Meter,
    NoMeter,
    clean_environment,
    cpu_between_s,
    end,
    measure_noop_s,
    read_cpu_s,
    run_to_end,
    script,
    wait_until,
    with_descendants,
)

NAMESPACE = "bench"
_READY_WITHIN_S = 60
_JOB_WITHIN_S = 0.5  # far more than a no-op takes; a batch that needs longer is stuck
_WARM_UP_JOBS = 8


@dataclass(slots=True)
class Lab:
    """A spool with daemons at work on it: ``daemons`` are those of ``nodewatch`` itself, by node name."""

    layout: Layout
    daemons: dict[str, psutil.Process] = field(default_factory=dict)

    @property
    def pids(self) -> list[int]:
        return [daemon.pid for daemon in self.daemons.values()]

    def submit(self, batch: str, jobs: int) -> None:
        """``distribute add``, which has copied all that it needs when it returns."""
        job_file = self.layout.root.parent / f"{batch}.yaml"
        job_file.write_text(render_job_file(batch, jobs))
        run_to_end(
            [script("distribute"), "--spool", str(self.layout.root), "add", str(job_file)],
            env=clean_environment(),
        )

    def await_end(self, batch: str, jobs: int) -> float:
        """Waits until the batch is closed; returns when that was seen, Unix seconds."""
        finished = self.layout.finished / NAMESPACE
        try:
            wait_until(
                lambda: finished.is_dir() and batch in os.listdir(finished),
                _READY_WITHIN_S + jobs * _JOB_WITHIN_S,
                f"{NAMESPACE}/{batch} to end",
            )
        except BenchmarkError as error:
            raise BenchmarkError(error.what, self.describe()) from error
        return time.time()

    def describe(self) -> str:
        """The state of a spool in which something hangs: who lives, where tickets lie, what was said last."""
        alive = [name for name, daemon in self.daemons.items() if daemon.is_running()]
        tickets = sorted(
            str(path.relative_to(self.layout.root)) for path in self.layout.batches.glob("*/*/*/*~*")
        )
        logs = [f"{name}: {_read_end(self.log(name))}" for name in self.daemons]
        return "\n".join([f"live daemons: {alive}; {len(tickets)} tickets: {tickets[:10]}", *logs])

    def log(self, name: str) -> Path:
        return self.layout.root.parent / f"{name}.log"


def _read_end(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]


def render_job_file(batch: str, jobs: int) -> str:
    """A job file with ``jobs`` no-ops, called j00000 and so on."""
    head = f"meta:\n  namespace: {NAMESPACE}\n  batch_name: {batch}\ncommand:\n  jobs:\n"
    return head + "".join(f'    - {{name: j{number:05}, command: "true"}}\n' for number in range(jobs))


@contextmanager
def running_lab(
    folder: Path, meter: Meter | None = None, nodes: int = 2, prefix: Sequence[str] = ()
) -> Iterator[Lab]:
    """A new spool below ``folder`` and ``nodes`` daemons, ready and warm.

    ``prefix`` goes before the daemons' command. Raises BenchmarkError if they don't get ready.
    """
    layout = Layout(folder / "spool")
    run_to_end([script("distribute"), "init", str(layout.root)], env=clean_environment())
    lab = Lab(layout)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, nodes + 1):
            started.append(_start_daemon(lab, f"node{number}", meter or NoMeter(), prefix))
        warm_up(lab)
        yield lab
    finally:
        _stop(lab, started)


def warm_up(lab: Lab) -> None:
    """Runs a few jobs, so that all that is made on first use is there."""
    lab.submit("warm-up", _WARM_UP_JOBS)
    lab.await_end("warm-up", _WARM_UP_JOBS)


def _start_daemon(lab: Lab, name: str, meter: Meter, prefix: Sequence[str]) -> subprocess.Popen[bytes]:
    scratch = lab.layout.root.parent / "scratch" / name
    scratch.mkdir(parents=True)
    argv = [script("nodewatch"), "--spool", str(lab.layout.root), "--name", name]
    argv += ["--scratch", str(scratch), "--cores", "1"]
    log = lab.log(name)
    with log.open("wb") as output:
        process = subprocess.Popen(
            meter.wrap([*prefix, *argv]), stdout=output, stderr=output, env=clean_environment()
        )
    info = lab.layout.node(name).info
    wait_until(lambda: info.is_file() or process.poll() is not None, _READY_WITHIN_S, f"{name} to start")
    if process.poll() is not None:
        raise BenchmarkError(f"{name} ended at once", _read_end(log))
    lab.daemons[name] = _find_daemon(process.pid)
    return process


def _find_daemon(pid: int) -> psutil.Process:
    """The daemon itself, where a tracer stands between it and us."""
    process = psutil.Process(pid)
    return process.children()[0] if process.name() == "strace" else process


def _stop(lab: Lab, started: list[subprocess.Popen[bytes]]) -> None:
    for daemon in lab.daemons.values():
        if daemon.is_running():
            daemon.terminate()
    for process in started:
        end(process)


@dataclass(frozen=True, slots=True)
class SpoolSystem:
    """Two daemons with one place each.

    The end is the change time of the newest ticket in ``done/``: by then the result is flushed to stable
    storage, archived, and its ticket has moved. ``closed_s`` lasts until the whole batch is in ``finished/``.
    """

    name: str = "distribute"

    def why_missing(self) -> str | None:
        missing = [name for name in ("distribute", "nodewatch") if not Path(script(name)).exists()]
        return f"not installed: {', '.join(missing)}" if missing else None

    def run(self, jobs: int, round_number: int, folder: Path, meter: Meter) -> Run:
        with running_lab(folder, meter) as lab:
            return self._measure(lab, jobs, round_number, meter)

    def _measure(self, lab: Lab, jobs: int, round_number: int, meter: Meter) -> Run:
        batch = f"round{round_number}"
        noop_cpu_s = measure_noop_s()
        before = read_cpu_s(with_descendants(lab.pids))
        began_at, began_s = time.time(), meter.used_s()
        lab.submit(batch, jobs)
        submitted_at = time.time()
        closed_at, used_s = lab.await_end(batch, jobs), meter.used_s()
        after = read_cpu_s(before)
        stamps = verify(lab.layout, batch, jobs)
        return Run(
            self.name,
            round_number,
            jobs,
            stamps.last_at - began_at,
            noop_cpu_s,
            submit_s=submitted_at - began_at,
            steady_s=stamps.span_s,
            closed_s=closed_at - began_at,
            all_cpu_s=None if used_s is None or began_s is None else used_s - began_s,
            daemon_cpu_s=cpu_between_s(before, after),
        )


def verify(layout: Layout, batch: str, jobs: int) -> Stamps:
    """Every job has one ticket, in ``done/``, at its first attempt, and a result whose checksums are right.

    Returns when the tickets moved there. Raises BenchmarkError for the first job of which that isn't true.
    """
    folder = layout.finished_batch(NAMESPACE, batch)
    elsewhere = [
        name for state in State if state is not State.DONE for name in os.listdir(folder.state(state))
    ]
    tickets = [Ticket.parse(name) for name in os.listdir(folder.state(State.DONE))]
    names = sorted(ticket.job for ticket in tickets)
    if elsewhere or names != [f"j{number:05}" for number in range(jobs)]:
        raise BenchmarkError(f"{batch}: {len(tickets)} of {jobs} jobs are done", f"not done: {elsewhere[:5]}")
    for ticket in tickets:
        _verify_result(layout.archived_job(NAMESPACE, batch, ticket.job), ticket)
    times = [folder.ticket(State.DONE, ticket).stat().st_ctime for ticket in tickets]
    return Stamps(len(tickets), min(times), max(times))


def _verify_result(folder: Path, ticket: Ticket) -> None:
    path = folder / RECORD_NAME
    record = decode(JobRecord, path.read_bytes(), path)
    if (
        record.outcome is not Outcome.DONE
        or record.exit_code != 0
        or (record.attempt, ticket.attempt) != (1, 1)
    ):
        raise BenchmarkError(
            f"{path} doesn't tell of a job that ended well at its first attempt", repr(record)
        )
    for file in record.files:
        data = (folder / file.path).read_bytes()
        if (len(data), hashlib.sha256(data).hexdigest()) != (file.size_bytes, file.sha256):
            raise BenchmarkError(f"{folder / file.path} isn't what was archived")

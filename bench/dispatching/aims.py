"""The aims of this project, each with what was measured here: a result is computed, never presumed."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from nodewatch.capacity import Capacity
from nodewatch.ledger import Ledger
from nodewatch.quarantine import Quarantines
from nodewatch.queue import Queue
from nodewatch.scratch import Scratch
from spoold.spool import Spool

from .figures import Aim, BenchmarkError, Summary, judge_least, judge_most
from .large_spools import make_finished_spool, make_pending_spool
from .processes import clean_environment, make_meter, read_cpu_s, run_to_end, script, with_descendants
from .spool_system import running_lab

_IDLE_S = 20.0
_SETTLE_S = 3.0
_STATUS_BATCHES, _STATUS_JOBS, _STATUS_TIMES = 100, 1000, 5
_CLAIM_BATCHES, _FEW_JOBS, _MANY_JOBS, _CLAIM_ROUNDS = 10, 1_000, 100_000, 3


def judge_rates(summaries: list[Summary], system: str, peer: str) -> list[Aim]:
    """The aims about dispatching, from the medians of this run."""
    by_name = {summary.system: summary for summary in summaries}
    ours, theirs = by_name.get(system), by_name.get(peer)
    ratio = theirs.rate_ratio if theirs else None
    why = "median of the rounds' ratios" if ratio is not None else f"{peer} or {system} didn't run"
    return [judge_least(f"rate, as a multiple of {peer}'s", ratio, 1.0, "x", why), _judge_cpu(ours)]


def _judge_cpu(ours: Summary | None) -> Aim:
    name = "daemon CPU a job"
    if ours is None:
        return judge_most(name, None, 1.5, "ms", "the system didn't run")
    if ours.own_cpu_ms is None:
        return judge_most(name, None, 1.5, "ms", "no control group: processes that end early aren't counted")
    detail = f"all CPU less the no-op's own; {ours.daemon_cpu_ms:.2f} ms of it in processes that stay"
    return judge_most(name, ours.own_cpu_ms, 1.5, "ms", detail)


@dataclass(frozen=True, slots=True)
class Idle:
    """An idle daemon with its runner: share of one CPU in percent, resident memory in MB (10^6 bytes)."""

    cpu_percent: float
    resident_mb: float


def measure_idle(folder: Path) -> Idle:
    """One daemon that is the steward too, so does all that an idle daemon may have to do."""
    meter = make_meter()
    with running_lab(folder, meter, nodes=1) as lab:
        time.sleep(_SETTLE_S)
        processes = with_descendants(lab.pids)
        began_s, own_began_s = meter.used_s(), sum(read_cpu_s(processes).values())
        began_at = time.monotonic()
        time.sleep(_IDLE_S)
        lasted_s = time.monotonic() - began_at
        ended_s, own_ended_s = meter.used_s(), sum(read_cpu_s(processes).values())
        resident = sum(process.memory_info().rss for process in processes)
    meter.close()
    used_s = own_ended_s - own_began_s if began_s is None or ended_s is None else ended_s - began_s
    return Idle(100 * used_s / lasted_s, resident / 1e6)


def judge_idle(folder: Path) -> list[Aim]:
    idle = measure_idle(folder)
    detail = f"over {_IDLE_S:g} s, daemon, runner and steward together"
    return [
        judge_most("idle daemon: CPU", idle.cpu_percent, 0.2, "%", detail),
        judge_most("idle daemon: memory", idle.resident_mb, 60, "MB", "resident, daemon and runner added up"),
    ]


def judge_status(folder: Path) -> Aim:
    """``distribute status`` as a person would type it, each time a new process; what it reads is cached."""
    spool = make_finished_spool(folder / "spool", _STATUS_BATCHES, _STATUS_JOBS)
    times = [_time_status(spool) for _ in range(_STATUS_TIMES)]
    shutil.rmtree(folder / "spool")
    jobs = _STATUS_BATCHES * _STATUS_JOBS
    detail = f"{jobs:,} finished jobs in {_STATUS_BATCHES} batches; median of {_STATUS_TIMES}"
    return judge_most(
        "distribute status", median(times), 0.5, "s", f"{detail}, the first took {times[0]:.2f} s"
    )


def _time_status(spool: Spool) -> float:
    began_at = time.monotonic()
    said = run_to_end([script("distribute"), "--spool", str(spool.root), "status"], env=clean_environment())
    took_s = time.monotonic() - began_at
    if not said.strip():
        raise BenchmarkError("distribute status said nothing", str(spool.root))
    return took_s


@dataclass(frozen=True, slots=True)
class Claims:
    """What it took to claim all pending jobs; times in seconds.

    ``mean_s`` a claim includes every listing, ``first_s`` is the first claim, which lists, and ``median_s``
    is a claim between two listings.
    """

    mean_s: float
    first_s: float
    median_s: float


def measure_claims(folder: Path, jobs: int) -> Claims:
    """Claims ``jobs`` jobs as the daemon does, by its queue, one after the other until none is left."""
    spool = make_pending_spool(folder / "spool", _CLAIM_BATCHES, jobs // _CLAIM_BATCHES)
    (folder / "scratch").mkdir()
    scratch, ledger = Scratch(folder / "scratch", min_free_bytes=0), Ledger(Capacity(1, 1 << 30))
    queue = Queue(spool, scratch, "node1", frozenset(), Quarantines(()), ledger)
    times: list[float] = []
    for _ in range(jobs):
        began_at = time.perf_counter()
        claimed = queue.take()
        times.append(time.perf_counter() - began_at)
        if claimed is None:
            raise BenchmarkError(f"{len(times) - 1} of {jobs} jobs could be claimed")
        ledger.release(claimed.key)
    shutil.rmtree(folder)
    return Claims(sum(times) / jobs, times[0], median(times))


def judge_claims(folder: Path) -> Aim:
    """The same number of batches in both spools, so that only the number of jobs differs."""
    pairs = [_measure_pair(folder) for _ in range(_CLAIM_ROUNDS)]
    ratio = median(many.mean_s / few.mean_s for few, many in pairs)
    few, many = sorted(pairs, key=lambda pair: pair[1].mean_s / pair[0].mean_s)[_CLAIM_ROUNDS // 2]
    detail = (
        f"all jobs claimed, listings included: {1e6 * many.mean_s:.1f} and {1e6 * few.mean_s:.1f} us a claim;"
        f" between listings {1e6 * many.median_s:.1f} and {1e6 * few.median_s:.1f} us;"
        f" the first listing {many.first_s:.2f} and {few.first_s:.3f} s; median of {_CLAIM_ROUNDS}"
    )
    name = f"claim with {_MANY_JOBS:,} pending jobs, as a multiple of that with {_FEW_JOBS:,}"
    return judge_most(name, ratio, 1.2, "x", detail)


def _measure_pair(folder: Path) -> tuple[Claims, Claims]:
    few, many = (_measure_claims_below(folder, jobs) for jobs in (_FEW_JOBS, _MANY_JOBS))
    return few, many


def _measure_claims_below(folder: Path, jobs: int) -> Claims:
    own = folder / f"pending{jobs}"
    own.mkdir()
    return measure_claims(own, jobs)


def sync_disk() -> None:
    """Lets what earlier measurements wrote reach the disk, so that the next one doesn't pay for it."""
    subprocess.run(["sync"], check=True)

"""What was measured, as values, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from distribute_compute_config.errors import DistributeError


class BenchmarkError(DistributeError):
    """A measurement didn't come about, or a system didn't do what it was asked to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """One system's pass over ``jobs`` no-op jobs; all times in seconds.

    ``total_s`` lasts from the start of the submitting command to the end of the last job, ``steady_s`` from
    the first job's time stamp to the last one's, ``closed_s`` until the system calls the whole finished.
    ``all_cpu_s`` is everything the system used, its jobs and short-lived processes included;
    ``daemon_cpu_s`` is that of the processes that lived from the beginning to the end; ``noop_cpu_s`` is
    what one bare no-op used in this round. None stands for what a system doesn't have or this machine
    can't measure.
    """

    system: str
    round: int
    jobs: int
    total_s: float
    noop_cpu_s: float
    submit_s: float | None = None
    steady_s: float | None = None
    closed_s: float | None = None
    all_cpu_s: float | None = None
    daemon_cpu_s: float | None = None

    @property
    def jobs_per_s(self) -> float:
        return self.jobs / self.total_s

    @property
    def steady_jobs_per_s(self) -> float | None:
        return (self.jobs - 1) / self.steady_s if self.steady_s else None

    @property
    def own_cpu_ms(self) -> float | None:
        """CPU milliseconds a job, less those of the no-op itself."""
        return None if self.all_cpu_s is None else 1e3 * (self.all_cpu_s / self.jobs - self.noop_cpu_s)

    @property
    def daemon_cpu_ms(self) -> float | None:
        return None if self.daemon_cpu_s is None else 1e3 * self.daemon_cpu_s / self.jobs


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians of a system's runs.

    ``rate_ratio`` is the rate of the system under test divided by this one's: the median of the ratios within
    each round, so that what disturbs a whole round cancels out.
    """

    system: str
    rounds: int
    jobs_per_s: float
    rate_ratio: float | None
    steady_jobs_per_s: float | None
    submit_s: float | None
    closed_s: float | None
    own_cpu_ms: float | None
    daemon_cpu_ms: float | None


def summarize(runs: list[Run], reference: str) -> list[Summary]:
    """One summary a system, in the order of their first runs; ``reference`` is the system under test."""
    reference_runs = {run.round: run for run in runs if run.system == reference}
    names = dict.fromkeys(run.system for run in runs)
    return [_summarize([run for run in runs if run.system == name], reference_runs) for name in names]


def _summarize(runs: list[Run], reference: dict[int, Run]) -> Summary:
    ratios = [reference[run.round].jobs_per_s / run.jobs_per_s for run in runs if run.round in reference]
    return Summary(
        system=runs[0].system,
        rounds=len(runs),
        jobs_per_s=median(run.jobs_per_s for run in runs),
        rate_ratio=median(ratios) if ratios else None,
        steady_jobs_per_s=middle(runs, lambda run: run.steady_jobs_per_s),
        submit_s=middle(runs, lambda run: run.submit_s),
        closed_s=middle(runs, lambda run: run.closed_s),
        own_cpu_ms=middle(runs, lambda run: run.own_cpu_ms),
        daemon_cpu_ms=middle(runs, lambda run: run.daemon_cpu_ms),
    )


def middle(runs: Iterable[Run], figure: Callable[[Run], float | None]) -> float | None:
    """The median of a figure over the runs that have it; None if none has."""
    known = [value for run in runs if (value := figure(run)) is not None]
    return median(known) if known else None


@dataclass(frozen=True, slots=True)
class Operations:
    """System calls that name files, a job, made by one daemon and all that it started.

    ``in_spool`` counts those with a path in the spool, ``elsewhere`` all others (scratch, libraries, the job
    itself). ``by_call`` splits ``in_spool`` by system call. ``flushes`` counts ``syncfs`` in a run of its
    own, where nothing else is traced: results that wait for the same flush share it.
    """

    in_spool: float
    elsewhere: float
    by_call: dict[str, float]
    flushes: float


@dataclass(frozen=True, slots=True)
class Burst:
    """``jobs`` results that waited at once: the flushes that they shared until the node kept none of them."""

    jobs: int
    flushes: int
    took_s: float

    @property
    def flushes_a_job(self) -> float:
        return self.flushes / self.jobs


@dataclass(frozen=True, slots=True)
class Aim:
    """A goal and what was measured; ``detail`` says how, or why not: then ``met`` is None."""

    aim: str
    limit: str
    figure: float | None
    unit: str
    met: bool | None
    detail: str = ""


def judge_most(aim: str, figure: float | None, most: float, unit: str, detail: str = "") -> Aim:
    """An aim that is met by a figure of at most ``most``."""
    return Aim(aim, f"<= {most:g}", figure, unit, None if figure is None else figure <= most, detail)


def judge_least(aim: str, figure: float | None, least: float, unit: str, detail: str = "") -> Aim:
    """An aim that is met by a figure of at least ``least``."""
    return Aim(aim, f">= {least:g}", figure, unit, None if figure is None else figure >= least, detail)

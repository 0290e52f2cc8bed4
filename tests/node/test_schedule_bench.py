"""The simulation of a lab: it is fair to both sides, and reads what it says it reads."""

from __future__ import annotations

from itertools import groupby

from bench.schedule import compare
from bench.scheduling.simulation import Started, as_nodes_do, first_come, simulate
from bench.scheduling.workload import Arrival, make_workload, read_swf, scale


def most_cores(started: list[Started]) -> int:
    """The most that one node had in use."""
    changes = sorted(
        [(one.ended_s, 0, one.node, -one.job.cores) for one in started]
        + [(one.at_s, 1, one.node, one.job.cores) for one in started]
    )
    used, most = dict.fromkeys(range(9), 0), 0
    for _, group in groupby(changes, key=lambda change: change[:2]):
        for _, _, node, cores in group:
            used[node] += cores
        most = max(most, *used.values())
    return most


def test_every_job_runs_once_and_no_node_has_more_than_its_cores() -> None:
    jobs = scale(make_workload(300, 8, seed=3), 16, 0.9)
    for policy in (first_come, as_nodes_do):
        started = simulate(jobs, 2, 8, policy, seed=3)
        assert sorted(one.job.number for one in started) == list(range(300))
        assert all(one.waited_s >= 0 for one in started)
        assert most_cores(started) <= 8


def test_small_jobs_fill_gaps() -> None:
    jobs = [
        Arrival(0, 0.0, 3, 100.0, 100.0, "a"),
        Arrival(1, 1.0, 4, 100.0, 100.0, "a"),
        Arrival(2, 2.0, 1, 50.0, 60.0, "a"),
    ]
    at = {one.job.number: one.at_s for one in simulate(jobs, 1, 4, as_nodes_do, seed=1)}
    assert at == {0: 0.0, 1: 100.0, 2: 2.0}
    at = {one.job.number: one.at_s for one in simulate(jobs, 1, 4, first_come, seed=1)}
    assert at == {0: 0.0, 1: 100.0, 2: 200.0}


def test_it_beats_first_come_first_served() -> None:
    first, known, unknown = compare(make_workload(400, 16, seed=1), 4, 16, 0.8, seed=1)
    assert known.mean_wait_s < first.mean_wait_s / 2
    assert unknown.mean_wait_s < first.mean_wait_s
    assert known.utilisation > first.utilisation


def test_a_trace_is_read() -> None:
    trace = """\
; Version: 2.2
  1  0  5  60  4 -1 -1  4  120 -1 1  7 1 -1 1 -1 -1 -1
  2 10  5  60  4 -1 -1 -1   -1 -1 1  8 1 -1 1 -1 -1 -1
  3 20  5  60 64 -1 -1 64  120 -1 1  8 1 -1 1 -1 -1 -1
  4 30  5  -1  4 -1 -1  4  120 -1 0  8 1 -1 1 -1 -1 -1
"""
    assert read_swf(trace.splitlines(), 16) == [
        Arrival(1, 0.0, 4, 60.0, 120.0, "user7"),
        Arrival(2, 10.0, 4, 60.0, None, "user8"),
    ]

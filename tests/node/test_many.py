"""Three hundred jobs on four nodes: every job has one result, whether all nodes live or one dies in the middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from spoold.publication import STDOUT
from spoold.tickets import State, Ticket
from tests.lab import FAST, Lab
from tests.support import wait_until

NODES = ("alpha", "beta", "gamma", "delta")
JOBS = [f"j{number:03}" for number in range(300)]


class Ledger:
    """A file outside of the spool, to which every attempt that runs adds one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def command(self, then: str = "") -> str:
        entry = "$DISTRIBUTE_JOB~$DISTRIBUTE_ATTEMPT"
        return f"echo {entry} >> {self._path}; {then} echo {entry}; echo {entry} > distribute_save/x"

    def lines(self) -> Counter[str]:
        return Counter(self._path.read_text().split() if self._path.exists() else ())


def submit(lab: Lab, jobs: Mapping[str, str]) -> str:
    lab.steward()
    key = lab.batch("many", jobs)
    for name in NODES:
        lab.node(name, "--no-steward", ready=False)
    return key


def check_results(lab: Lab, key: str, ledger: Ledger) -> dict[str, Ticket]:
    """One result a job, made by one run of the attempt that its ticket names; returns the tickets."""
    tickets = lab.wait_finished(key, within_s=60)
    assert set(tickets) == {State.DONE}, tickets
    ended = {ticket.job: ticket for ticket in map(Ticket.parse, tickets[State.DONE])}
    assert sorted(ended) == JOBS
    batch = lab.spool.layout.archived_batch(*key.split("/"))
    assert sorted(path.name for path in batch.iterdir() if path.is_dir()) == JOBS
    runs = ledger.lines()
    for job, ticket in ended.items():
        record = lab.record(key, job)
        assert (record.attempt, record.node) == (ticket.attempt, ticket.node)
        assert [lab.text(key, job, name) for name in (STDOUT, "x")] == [f"{ticket.attempt_name}\n"] * 2
        assert runs[ticket.attempt_name] == 1
    return ended


def test_each_job_runs_once(lab: Lab, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ended = check_results(lab, submit(lab, dict.fromkeys(JOBS, ledger.command())), ledger)
    assert ledger.lines() == Counter(f"{job}~1" for job in JOBS)
    assert {ticket.node for ticket in ended.values()} == set(NODES)


def test_a_node_dies_in_the_middle(tmp_path: Path) -> None:
    """Its daemon and its job, at once and for good; the others do what it had."""
    ledger, victim = Ledger(tmp_path / "ledger"), JOBS[len(JOBS) // 3]
    hangs = ledger.command('test "$DISTRIBUTE_ATTEMPT" = 1 && sleep 1000;')
    with Lab(tmp_path / "lab", replace(FAST, heartbeat_s=0.3, lease_s=3.0)) as lab:
        key = submit(lab, {**dict.fromkeys(JOBS, ledger.command()), victim: hangs})
        wait_until(lambda: ledger.lines()[f"{victim}~1"], 60, what=f"{victim} runs")
        holder = next(
            Ticket.parse(text).node for text in lab.tickets(key)[State.CLAIMED] if text.startswith(victim)
        )
        next(daemon for daemon in lab.daemons if daemon.name == holder).kill_with_jobs()
        assert lab.place(key) == lab.spool.layout.batch(*key.split("/")), "it is in the middle"
        ended = check_results(lab, key, ledger)
        assert ended[victim].attempt > 1 and ended[victim].node != holder
        again = {job for job, ticket in ended.items() if ticket.attempt > 1}
        # Whoever ran more than once was lost with its node: running, or waiting for its upload.
        assert set(ledger.lines()) <= {f"{j}~1" for j in JOBS} | {
            f"{j}~{n}" for j in again for n in range(2, 5)
        }

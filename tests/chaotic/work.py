"""What is submitted, and the ledger in which every run of a job signs when it starts and when it ends."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spoold.tickets import Ticket

NAMESPACE = "chaos"
DATA = "data"
NONCE = "nonce"
LARGE = "large"
EXIT_CODE = 3

#: A job: it signs, saves a nonce, its input and some bytes, sleeps, signs again, and fails in its first attempts.
SCRIPT = """\
# job.sh LEDGER SLEEP_S FAILURES KIB; the ledger has a file for each node, for O_APPEND holds within one machine
attempt=$DISTRIBUTE_NAMESPACE/$DISTRIBUTE_BATCH/$DISTRIBUTE_JOB~$DISTRIBUTE_ATTEMPT
node=$DISTRIBUTE_NODE
nonce=$node.$$.$(date +%s%N)
echo "start $attempt $node $nonce $(date +%s.%N)" >> "$1/$node"
echo "$nonce"
echo "$nonce" > distribute_save/nonce
cp input/data distribute_save/data || exit 4
head -c "$4"k /dev/zero > distribute_save/large
sleep "$2"
code=0
[ "$DISTRIBUTE_ATTEMPT" -gt "$3" ] || code=3
echo "end $attempt $node $code $(date +%s.%N)" >> "$1/$node"
exit $code
"""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """Sleeps ``sleep_s`` seconds, saves ``kib`` KiB, and fails in its first ``failures`` attempts."""

    name: str
    sleep_s: float
    failures: int = 0
    kib: int = 0
    retries: int = 0
    priority: int = 0
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """``data`` is the input of each job; ``fails_on`` the node where the build fails, if there is a build."""

    name: str
    jobs: tuple[PlannedJob, ...]
    data: str
    builds: bool = False
    fails_on: str = ""

    @property
    def key(self) -> str:
        return f"{NAMESPACE}/{self.name}"

    def job(self, name: str) -> PlannedJob:
        return next(job for job in self.jobs if job.name == name)

    def job_file(self, script: Path, ledger: Path, data: str) -> dict[str, Any]:
        """The job file as YAML's values; ``data`` is where the input stands."""
        section: dict[str, Any] = {"jobs": [_entry(job, script, ledger, data) for job in self.jobs]}
        if self.builds:
            section["initialize"] = {"build": f'test "$DISTRIBUTE_NODE" != {self.fails_on}'}
        return {"meta": {"namespace": NAMESPACE, "batch_name": self.name}, "command": section}


def _entry(job: PlannedJob, script: Path, ledger: Path, data: str) -> dict[str, Any]:
    return {
        "name": job.name,
        "command": f"sh {script} {ledger} {job.sleep_s:.2f} {job.failures} {job.kib}",
        "required_files": [{"path": data, "alias": DATA}],
        "retries": job.retries,
        "priority": job.priority,
        "depends": list(job.depends),
    }


def plan_batch(
    chance: random.Random, name: str, nodes: Sequence[str], shortest_s: float = 0.0
) -> PlannedBatch:
    """A batch of up to a dozen jobs, some of which depend on others, fail, take long or save much."""
    jobs: list[PlannedJob] = []
    hopeless = chance.choices((5, 60), (9, 1))[0]
    for number in range(chance.randint(1, 12)):
        failures = chance.choices((0, 1, 2, 99), (80, 10, 5, hopeless))[0]
        known = [job.name for job in jobs]
        depends = chance.sample(known, min(len(known), 2)) if chance.random() < 0.2 else []
        jobs.append(
            PlannedJob(
                f"j{number}",
                max(shortest_s, chance.choices((0.0, 0.3, chance.uniform(1, 3)), (5, 3, 2))[0]),
                failures,
                chance.choices((0, 100, 4000), (8, 3, 1))[0],
                chance.choice((0, 1, 3)),
                chance.randint(-1, 1),
                tuple(depends),
            )
        )
    builds = chance.random() < 0.3
    fails_on = chance.choice(nodes) if builds and chance.random() < 0.3 else ""
    return PlannedBatch(name, tuple(jobs), f"{name} {chance.random()}\n", builds, fails_on or "nowhere")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an attempt as the job itself tells it; times in Unix seconds, of its node's clock."""

    node: str
    nonce: str
    started_at: float
    exit_code: int | None = None
    ended_at: float | None = None


def read_ledger(folder: Path) -> dict[tuple[str, Ticket], list[Run]]:
    """The runs by batch and by attempt (a ticket without its node)."""
    runs: dict[tuple[str, Ticket], list[Run]] = {}
    for path in sorted(folder.iterdir()):
        for line in path.read_text().splitlines():
            what, attempt, node, value, at = line.split(" ")
            batch, _, ticket = attempt.rpartition("/")
            known = runs.setdefault((batch, Ticket.parse(ticket)), [])
            if what == "start":
                known.append(Run(node, value, float(at)))
            else:
                known[-1] = replace(known[-1], exit_code=int(value), ended_at=float(at))
    return runs

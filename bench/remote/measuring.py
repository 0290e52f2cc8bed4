"""The measurements, each on a new spool of two clients of one server."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from bench.remote.figures import Idle, JobCost, Waits, cost_between
from bench.remote.mountstats import parse_operations
from spoold.spool import Settings, init_spool
from tests.nfs.bed import MOUNTED, Bed, Client
from tests.nfs.cluster import Cluster

#: How a batch is submitted: ``distribute add`` makes one file appear; ``cp`` writes one, which must settle.
ADD, COPY = "distribute add", "cp"
_SMALL, _LARGE = 10, 110
_SETTLE_S = 8.0
_LONGEST_S = 60.0


def measure_idle(bed: Bed, nfs: str, seconds: float) -> list[Idle]:
    """Two nodes with nothing to do: the first of them is the steward."""
    with _cluster(bed, f"idle-{nfs}") as cluster:
        _start_nodes(cluster)
        before = [count(client) for client in bed.clients]
        began_s = time.monotonic()
        _let_pass(seconds)
        took_s = time.monotonic() - began_s
        used = [count(client) - counted for client, counted in zip(bed.clients, before, strict=True)]
        return [Idle(nfs, number == 0, took_s, dict(counted)) for number, counted in enumerate(used)]


def measure_jobs(bed: Bed, nfs: str) -> JobCost:
    """Jobs that print and save nothing, on both nodes; submission and admission are in it."""
    with _cluster(bed, f"jobs-{nfs}") as cluster:
        _start_nodes(cluster)
        small, large = (_run(cluster, size) for size in (_SMALL, _LARGE))
        return JobCost(nfs, cost_between(small, large, _LARGE - _SMALL))


def measure_waits(bed: Bed, nfs: str, way: str, drops: int) -> Waits:
    """From a drop on the first client to the job's start on the second, one by one.

    The second is the steward too, so nobody who hears of the drop is where it happens.
    """
    dropper, runner = bed.clients[:2]
    with _cluster(bed, f"waits-{way.split()[0]}-{nfs}") as cluster:
        cluster.start_node(runner)
        cluster.wait_ready(runner)
        waits = []
        for number in range(drops):
            # Not in step with anybody's rounds.
            _let_pass(random.uniform(0.0, 2 * cluster.settings.rescan_s))
            waits.append(_drop(cluster, dropper, way, f"b{number}"))
        return Waits(nfs, way, tuple(waits))


def count(client: Client) -> Counter[str]:
    """All that the client has asked so far."""
    return parse_operations(client.run("cat", "/proc/self/mountstats").out, str(MOUNTED))


def _start_nodes(cluster: Cluster) -> None:
    for client in cluster.bed.clients:
        cluster.start_node(client)
        cluster.wait_ready(client)
    _let_pass(_SETTLE_S)


def _run(cluster: Cluster, jobs: int) -> Counter[str]:
    clients = cluster.bed.clients
    before = [count(client) for client in clients]
    batch = f"of-{jobs}"
    cluster.submit(clients[0], batch, {f"j{number}": "true" for number in range(jobs)})
    cluster.wait_finished(batch, 180.0)
    used = [count(client) - counted for client, counted in zip(clients, before, strict=True)]
    return sum(used, Counter())


def _drop(cluster: Cluster, dropper: Client, way: str, batch: str) -> float:
    trace = cluster.folder / f"{batch}.started"
    file = cluster.write_job_file(batch, {"only": f": > {trace}"})
    ready = file if way == COPY else _bundle(cluster.folder / "bundles" / batch, file)
    incoming = cluster.mounted / "incoming"
    hidden = incoming / f".{ready.name}"
    if way == ADD:
        dropper.run("cp", ready, hidden)
    began = time.time()
    if way == ADD:
        dropper.run("mv", hidden, incoming / ready.name)
    else:
        dropper.run("cp", ready, incoming / ready.name)
    cluster.wait(trace.exists, _LONGEST_S, f"{batch} has started")
    # This machine's own file system and clock, whoever wrote it.
    waited_s = trace.stat().st_mtime - began
    cluster.wait_finished(batch)
    return waited_s


def _bundle(folder: Path, file: Path) -> Path:
    """The file that ``distribute add`` lets appear; made beforehand: only its appearance is measured."""
    spool = init_spool(folder, Settings())
    command = (sys.executable, "-m", "distribute_cli", "--spool", str(spool.root), "add", str(file))
    subprocess.run(command, check=True, capture_output=True)
    (made,) = spool.layout.incoming.glob("*.bundle")
    return made


@contextmanager
def _cluster(bed: Bed, name: str) -> Iterator[Cluster]:
    """A spool with the settings that ``distribute init`` gives."""
    cluster = Cluster(bed, name, Settings())
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder)


def _let_pass(seconds: float) -> None:
    Event().wait(seconds)

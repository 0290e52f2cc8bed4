"""Real daemons on real NFS clients, with the mount options that one gets: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from bench.remote.mountstats import parse_operations
from nodewatch.outcomes import FENCED
from spoold.spool import Settings
from tests.nfs.bed import MOUNTED, Bed, Client
from tests.nfs.checking import check_empty, check_ended, list_staged
from tests.nfs.cluster import NAMESPACE, Cluster
from tests.nfs.scripts import Jobs, results

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.usefixtures("whole")]


_WATCHED_S = 45.0


@pytest.fixture
def jobs(cluster: Cluster, request: pytest.FixtureRequest) -> Jobs:
    return Jobs(cluster.folder / "jobs" / request.function.__name__)


def numbered(count: int) -> list[str]:
    return [f"j{number}" for number in range(1, count + 1)]


def test_two_nodes_share_a_batch(cluster: Cluster, jobs: Jobs) -> None:
    share(cluster, jobs, "many", 80)


@pytest.mark.long
def test_two_nodes_share_300_jobs(cluster: Cluster, jobs: Jobs) -> None:
    share(cluster, jobs, "more", 300)


def share(cluster: Cluster, jobs: Jobs, batch: str, count: int) -> None:
    """Each job runs once, and both nodes do a good part."""
    gated = jobs.gated([f"begin{number}" for number in (1, 2)])
    commands = {**gated, **jobs.quick(numbered(count - len(gated)))}
    cluster.submit(cluster.bed.clients[0], batch, commands)
    # Both begin at one time, however late one of them saw the batch.
    cluster.wait(lambda: all(jobs.runs_on(client.name) for client in cluster.bed.clients), 60.0, "both run")
    for client in cluster.bed.clients:
        jobs.open_gate(client.name)
    cluster.wait_finished(batch, 150.0)
    spool = cluster.fetch()
    done_by = check_ended(spool, NAMESPACE, batch, results(commands))
    check_empty(spool)
    assert jobs.starts() == dict.fromkeys(commands, 1)
    assert min(done_by[client.name] for client in cluster.bed.clients) >= count / 10


def test_a_node_without_power_loses_no_job(cluster: Cluster, jobs: Jobs) -> None:
    survivor, victim = cluster.bed.clients
    commands = jobs.quick(numbered(24), after_s=0.4)
    cluster.submit(survivor, "power", commands)
    cluster.wait(lambda: len(jobs.runs_on(victim.name)) >= 3, 30.0, "the victim is at work")
    victim.power_off()
    cluster.wait_finished("power")
    done_by = check_ended(cluster.fetch(), NAMESPACE, "power", results(commands))
    assert done_by[victim.name] < done_by[survivor.name]


def test_a_killed_daemon_goes_on_where_it_was(cluster: Cluster, jobs: Jobs) -> None:
    """Its lease is as it left it, and no other machine may take it over for this one."""
    client = cluster.bed.clients[0]
    commands = jobs.gated(numbered(2))
    cluster.submit(client, "killed", commands)
    for each in cluster.bed.clients:
        cluster.wait_holds(each, "killed")
    cluster.wait(lambda: len(jobs.starts()) == 2, 30.0, "both run")
    cluster.signal(client, "KILL")
    cluster.wait(lambda: not cluster.runs(client), 10.0, "the daemon is dead")
    cluster.start_node(client)
    cluster.wait_ready(client)
    for each in cluster.bed.clients:
        jobs.open_gate(each.name)
    cluster.wait_finished("killed")
    check_ended(cluster.fetch(), NAMESPACE, "killed", results(commands))
    assert jobs.starts() == dict.fromkeys(commands, 1)


def test_nodes_alone_take_over_from_a_steward_without_power(cluster: Cluster, jobs: Jobs) -> None:
    """Where no ``spoold`` runs, the other node becomes steward, and takes the job of the one that was."""
    cluster.signal(cluster.bed.server, "KILL")
    commands = jobs.gated(numbered(2))
    cluster.submit(cluster.bed.clients[0], "office", commands)
    for client in cluster.bed.clients:
        cluster.wait_holds(client, "office")
    cluster.wait(lambda: len(jobs.starts()) == 2, 30.0, "both run")
    # While the office changes hands the lease is missing, or still the server's.
    (steward,) = cluster.wait(lambda: stewards(cluster), 60.0, "a node is the steward")
    (other,) = (client for client in cluster.bed.clients if client is not steward)
    steward.power_off()
    jobs.open_gate(other.name)
    cluster.wait_finished("office")
    assert check_ended(cluster.fetch(), NAMESPACE, "office", results(commands)) == {other.name: 2}


def stewards(cluster: Cluster) -> list[Client]:
    """The client whose node is the steward, if one is."""
    lease = cluster.bed.server.run("cat", cluster.served / "steward.lease", check=False).out.splitlines()
    return [client for client in cluster.bed.clients if f"host={client.name}" in lease]


def test_a_result_from_behind_a_cut_is_dropped(cluster: Cluster, jobs: Jobs) -> None:
    """Cut off longer than its lease: its job is given to another node, whatever it has done meanwhile."""
    here, away = cluster.bed.clients
    commands = jobs.gated(numbered(2))
    cluster.submit(here, "cut", commands)
    for client in (here, away):
        cluster.wait_holds(client, "cut")
    lost = cluster.wait_holds(away, "cut")
    cluster.wait(lambda: lost.job in jobs.runs_on(away.name), 30.0, "the job runs behind the cut")
    away.cut_off()
    jobs.open_gate(here.name)
    cluster.wait_finished("cut")
    jobs.open_gate(away.name)
    away.heal()
    cluster.wait(lambda: knows_its_loss(cluster, away), 120.0, "the node knows that it lost its job")
    spool = cluster.fetch()
    assert check_ended(spool, NAMESPACE, "cut", results(commands)) == {here.name: 2}
    # It knows that before it has tidied up.
    cluster.wait(lambda: not list_staged(cluster.fetch()), 60.0, "nothing of the lost job is left")
    check_empty(cluster.fetch())
    assert jobs.starts()[lost.job] == 2


def knows_its_loss(cluster: Cluster, client: Client) -> bool:
    said = cluster.said(client)
    return FENCED in said or "void: the job was given to another node" in said


def test_a_server_that_loses_power_loses_no_job(cluster: Cluster, jobs: Jobs) -> None:
    outage(cluster, jobs, "outage", 5.0)


@pytest.mark.long
def test_a_server_that_is_away_for_a_minute_loses_no_job(cluster: Cluster, jobs: Jobs) -> None:
    outage(cluster, jobs, "minute", 60.0)


def outage(cluster: Cluster, jobs: Jobs, batch: str, for_s: float) -> None:
    """The server loses its power while jobs run; they go on, and all that was done stays done."""
    commands = {**jobs.gated(numbered(2)), **jobs.quick([f"k{number}" for number in range(1, 11)])}
    cluster.submit(cluster.bed.clients[0], batch, commands)
    for client in cluster.bed.clients:
        cluster.wait_holds(client, batch)
    cluster.wait(lambda: len(jobs.starts()) == 2, 30.0, "both run")
    server = cluster.bed.server
    server.power_off()
    pause(for_s)
    server.boot()
    server.wait_ready()
    # A client may come back a minute after its server. The steward's patience with it begins after that here.
    cluster.wait_refreshed(cluster.bed.clients)
    for client in cluster.bed.clients:
        jobs.open_gate(client.name)
    cluster.mend()
    cluster.wait_finished(batch, 180.0)
    spool = cluster.fetch()
    check_ended(spool, NAMESPACE, batch, results(commands))
    assert jobs.starts() == dict.fromkeys(commands, 1), "no running job was killed, none was done twice"


def pause(for_s: float) -> None:
    """Time that must pass in the guests: nothing in them can be waited for."""
    Event().wait(for_s)


def test_of_two_drops_with_one_name_one_is_admitted(cluster: Cluster, jobs: Jobs) -> None:
    """Both drop boxes are one folder: files come from two hosts at once, two of them for the same batch."""
    by_host = {client: [f"{client.name}-{number}" for number in range(4)] for client in cluster.bed.clients}
    commands = jobs.quick(["only"])

    def drop_all(client: Client) -> None:
        for batch in by_host[client]:
            cluster.submit(client, batch, commands)
        cluster.submit(client, "twin", commands, f"twin-{client.name}.yaml")

    at_once(cluster, drop_all)
    for batches in by_host.values():
        for batch in batches:
            cluster.wait_finished(batch)
    cluster.wait_finished("twin")
    cluster.wait(lambda: not cluster.names("incoming"), 30.0, "the drop box is empty")
    rejected = [name for name in cluster.names("rejected") if name.endswith(".yaml")]
    assert len(rejected) == 1 and rejected[0].startswith("twin-")
    assert jobs.starts() == {"only": 9}
    spool = cluster.fetch()
    for batch in [batch for batches in by_host.values() for batch in batches] + ["twin"]:
        check_ended(spool, NAMESPACE, batch, results(commands))
    check_empty(spool)


def at_once(cluster: Cluster, act: Callable[[Client], None]) -> None:
    with ThreadPoolExecutor(len(cluster.bed.clients)) as pool:
        for future in [pool.submit(act, client) for client in cluster.bed.clients]:
            future.result()


@pytest.mark.long
def test_idle_nodes_ask_little(bed: Bed, cluster: Cluster) -> None:
    """With the settings that a spool gets by default; one of the two is the steward."""
    cluster.stop()
    idle = Cluster(bed, f"idle-{cluster.name}", Settings())
    for client in bed.clients:
        idle.start_node(client)
        idle.wait_ready(client)
    pause(10.0)
    before = [asked(client) for client in bed.clients]
    pause(_WATCHED_S)
    counts = [asked(client) - counted for client, counted in zip(bed.clients, before, strict=True)]
    idle.stop()
    assert max(counts) <= 2 * _WATCHED_S, counts


def asked(client: Client) -> int:
    return parse_operations(client.run("cat", "/proc/self/mountstats").out, str(MOUNTED)).total()

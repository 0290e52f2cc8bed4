"""A bed for the whole session, and a cluster on it for each version of NFS."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.nfs.bed import Bed, BedError, why_impossible
from tests.nfs.bed.packages import Kit, Unavailable, prepare
from tests.nfs.cluster import Cluster

_KIT = Path(__file__).parents[2] / ".nfs-bed"
#: Default mount options of either version.
VERSIONS = ("4.2", "3")


def kit_or_skip() -> Kit:
    """What guests are made of, or a skip that says why there are none."""
    why = why_impossible()
    if why:
        pytest.skip(f"no guests here: {why}")
    try:
        return prepare(_KIT)
    except Unavailable as error:
        pytest.skip(f"no guests here: {error}")


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A server and two clients, or a skip that says why not."""
    kit = kit_or_skip()
    folder = tmp_path_factory.mktemp("bed")
    with ExitStack() as stack:
        try:
            bed = stack.enter_context(Bed(folder, kit))
        except BedError as error:
            # A container may forbid what User-mode Linux needs, ptrace for one: then a guest ends at once. That
            # one goes on and never answers is no reason to skip, but a failure.
            pytest.skip(f"the guests don't boot here: {error}")
        yield bed
    # The disk's image and what the guests wrote: large, and only of use when something failed.
    shutil.rmtree(folder / "state")


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"nfs-{version}")
def cluster(bed: Bed, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A node in each client, all with this version of NFS, and a steward on the server."""
    bed.mend()
    for client in bed.clients:
        client.mount(f"vers={request.param}")
    cluster = Cluster(bed, f"spool-{request.param}")
    yield cluster
    cluster.stop()
    crashed = [text for log in cluster.logs() if "Traceback" in (text := log.read_text(errors="replace"))]
    assert not crashed, crashed[0]


@pytest.fixture
def whole(cluster: Cluster) -> None:
    """Each test begins with all guests on, connected, and with their daemons."""
    cluster.mend()

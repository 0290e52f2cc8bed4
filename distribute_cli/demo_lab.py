"""A cluster of this machine alone: a spool and two nodes in one folder, for a demonstration."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distribute_compute_config.errors import DistributeError
from spoold.local_node import LocalNode, NodeOptions
from spoold.polling import poll
from spoold.private import PrivateSpool, open_private
from spoold.snapshot import list_batches

NODES = ("node-1", "node-2")
#: A folder with this file was made by a demonstration, which may remove it again.
MARKER = ".distribute-demo"
_END_S = 20.0


class DemoFailed(DistributeError):
    """The demonstration can't go on."""


def find_example() -> Path:
    """The job file of the cavity. Raises DemoFailed if this is no clone of the project."""
    name = Path("examples/cavity/distribute-jobs.yaml")
    for root in (Path(__file__).parent.parent, Path.cwd()):
        if (root / name).is_file():
            # As one would type it, if that is possible.
            whole = root / name
            return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
    raise DemoFailed(
        "the example isn't here",
        "the installed package doesn't contain examples/cavity",
        "get the project's source and type there: make demo",
    )


def require_compiler() -> None:
    """Raises DemoFailed where the example can't be built: without this its jobs would wait for ever."""
    if not any(shutil.which(name) for name in ("gcc", "cc")):
        raise DemoFailed(
            "no C compiler is in PATH",
            "the example compiles its solver",
            "type: sudo apt install gcc libc6-dev",
        )


def make_spool(folder: Path) -> PrivateSpool:
    """A new spool in ``folder``, in place of an earlier demonstration's. Raises DemoFailed."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise DemoFailed(f"{folder} is not empty", "", "give another folder: distribute demo --dir D")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    return open_private(folder)


@contextmanager
def running_nodes(private: PrivateSpool, keep: bool) -> Iterator[list[LocalNode]]:
    """Two daemons that are ready. Unless ``keep``, they and their jobs are gone at the end.

    Raises NodeFailed if one doesn't come up.
    """
    cores = max(1, (os.cpu_count() or 1) // len(NODES))
    nodes = [LocalNode(private, NodeOptions(cores), name) for name in NODES]
    try:
        for node in nodes:
            node.ensure()
        for node in nodes:
            node.wait_ready()
        yield nodes
    except BaseException:
        _stop(private, nodes)
        raise
    if not keep:
        _stop(private, nodes)


def _stop(private: PrivateSpool, nodes: list[LocalNode]) -> None:
    """Cancel what still runs (a job outlives its daemon), then end the daemons."""
    spool = private.spool
    for ref in list_batches(spool):
        spool.ops.write_new(ref.folder.kill(), b"the demonstration was stopped\n")
    poll(lambda: None if list_batches(spool) else True, _END_S, every_s=0.1)
    for node in nodes:
        node.stop(_END_S)

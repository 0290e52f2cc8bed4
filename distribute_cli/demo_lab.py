"""A cluster of this machine alone: a spool and two nodes in one folder, for a demonstration."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distribute_cli.polling import poll
from distribute_compute_config.errors import DistributeError
from spoold.snapshot import list_batches
from spoold.spool import Settings, Spool, init_spool

NODES = ("node-1", "node-2")
#: A folder with this file was made by a demonstration, which may remove it again.
MARKER = ".distribute-demo"
#: Quick enough to watch; a lab of real machines keeps the defaults.
_SETTINGS = Settings(heartbeat_s=2.0, lease_s=30.0, settle_s=0.2, rescan_s=0.2)
_START_S = 30.0
_END_S = 20.0
_LOG_LINES = 5
_NODEWATCH = "from nodewatch.main import main; main()"


class DemoFailed(DistributeError):
    """The demonstration can't go on."""


@dataclass(frozen=True, slots=True)
class DemoNode:
    """A running daemon and where it logs."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


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


def make_spool(folder: Path) -> Spool:
    """A new spool in ``folder``, in place of an earlier demonstration's. Raises DemoFailed."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise DemoFailed(f"{folder} is not empty", "", "give another folder: distribute demo --dir D")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    return init_spool(folder / "spool", _SETTINGS)


@contextmanager
def running_nodes(folder: Path, spool: Spool, keep: bool) -> Iterator[list[DemoNode]]:
    """Two daemons that are ready. Unless ``keep``, they and their jobs are gone at the end.

    Raises DemoFailed if one doesn't come up.
    """
    nodes: list[DemoNode] = []
    try:
        for name in NODES:
            nodes.append(_start(folder, spool, name))
        _await_ready(spool, nodes)
        yield nodes
    except BaseException:
        _stop(spool, nodes)
        raise
    if not keep:
        _stop(spool, nodes)


def _start(folder: Path, spool: Spool, name: str) -> DemoNode:
    cores = max(1, (os.cpu_count() or 1) // len(NODES))
    log = folder / f"{name}.log"
    argv = [sys.executable, "-c", _NODEWATCH, "--spool", str(spool.root), "--name", name]
    argv += ["--scratch", str(folder / f"{name}.scratch"), "--cores", str(cores)]
    with open(log, "wb") as opened:
        # A session of its own: Ctrl-C is for us, and we end it in good order.
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=opened, stderr=opened, start_new_session=True
        )
    return DemoNode(name, process, log)


def _await_ready(spool: Spool, nodes: list[DemoNode]) -> None:
    from distribute_cli.marking import look_at_node
    from distribute_cli.reports.nodes import Life

    def look() -> bool | None:
        for node in nodes:
            if node.process.poll() is not None:
                raise DemoFailed(f"{node.name} ended at once", _last_lines(node.log), f"see: {node.log}")
        reports = [look_at_node(spool, node.name, time.time()) for node in nodes]
        # A lease comes first; what the node has to say of itself follows.
        return True if all(one.life is Life.LIVE and one.started_at for one in reports) else None

    if poll(look, _START_S, every_s=0.1) is None:
        raise DemoFailed("the nodes don't come up", f"waited {_START_S:.0f} s", f"see: {nodes[0].log}")


def _last_lines(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _stop(spool: Spool, nodes: list[DemoNode]) -> None:
    """Cancel what still runs (a job outlives its daemon), then end the daemons, by pid."""
    for ref in list_batches(spool):
        spool.ops.write_new(ref.folder.kill(), b"the demonstration was stopped\n")
    poll(lambda: None if list_batches(spool) else True, _END_S, every_s=0.1)
    for node in nodes:
        node.process.terminate()
    for node in nodes:
        try:
            node.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            node.process.kill()
            node.process.wait()

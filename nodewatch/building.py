"""Building a batch on this node, once, before its first job."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from distribute_compute_config.errors import DistributeError
from nodewatch.outcomes import describe
from nodewatch.process import ExitRecord
from spoold.codec import encode
from spoold.records import BatchHeader, BuildRecord
from spoold.snapshot import BatchRef
from spoold.spool import Spool

_log = logging.getLogger(__name__)

_TAIL_BYTES = 2000


class BuildFailed(DistributeError):
    """The batch can't be built on this node."""


@dataclass(frozen=True, slots=True)
class BuildRun:
    """The folder of a build's run; both streams go to one file."""

    path: Path

    @property
    def output(self) -> Path:
        return self.path / "output.txt"


def publish_build(
    spool: Spool, ref: BatchRef, header: BatchHeader, node: str, run: BuildRun, ended: ExitRecord
) -> bool:
    """Archive the output and mark the batch as built here, or not; returns whether it is.

    Output first: who reads the mark finds the output, after a power failure too. Raises SpoolFull or OSError.
    """
    ok = ended.exit_code == 0 and ended.kill_reason is None
    reason = "" if ok else f"{describe(ended)}{_tail(run.output)}"
    _publish_output(spool, spool.layout.build_output(ref.namespace, ref.batch, node), run.output)
    record = BuildRecord(node, ok, ended.ended_at, ended.wall_s, reason)
    spool.ops.replace(ref.folder.build_mark(node, ok), encode(record), flush=True)
    _log.info("%s is %s here", header.key, "built" if ok else "not built")
    return ok


def _publish_output(spool: Spool, target: Path, output: Path) -> None:
    private = spool.ops.private()
    try:
        with open(output, "rb", buffering=0) as opened:
            spool.ops.copy_new(opened, private)
        # A batch that is built here again, after a node lost its scratch, has newer output: no archived
        # byte is overwritten, the first one stays.
        spool.ops.link_new(private, target)
    finally:
        spool.ops.unlink(private)


def _tail(output: Path) -> str:
    """The last lines of the output, for whoever asks why."""
    size = output.stat().st_size
    with open(output, "rb") as opened:
        opened.seek(max(0, size - _TAIL_BYTES))
        lines = opened.read().decode(errors="replace").strip().splitlines()
    return f"; its last lines: {' | '.join(lines[-5:])}" if lines else ""

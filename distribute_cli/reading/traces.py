"""Reading what tells why jobs of a batch didn't run."""

from __future__ import annotations

from distribute_cli.reading.files import read_first_line
from distribute_cli.reports.seen import Mark, Traces
from spoold.access import identity_of
from spoold.codec import RecordError, decode
from spoold.layout import KILL_NAME, BatchFolder
from spoold.losses import read_losses
from spoold.records import BuildRecord
from spoold.snapshot import Builds, may_act
from spoold.spool import Spool


def read_traces(spool: Spool, folder: BatchFolder, builds: Builds, submitter_uid: int) -> Traces:
    """Two listings, and a look at each mark."""
    return Traces(
        _read_marks(spool, folder, submitter_uid),
        _read_failed_builds(spool, folder, builds.failed),
        tuple(read_losses(spool, folder)),
    )


def _read_marks(spool: Spool, folder: BatchFolder, submitter_uid: int) -> tuple[Mark, ...]:
    names = sorted(n for n in spool.ops.names(folder.path) if n == KILL_NAME or n.startswith(f"{KILL_NAME}~"))
    marks = []
    for name in names:
        path = folder.path / name
        try:
            owner = identity_of(path.lstat().st_uid).name
        except FileNotFoundError:
            continue
        honoured = may_act(spool, path, submitter_uid)
        marks.append(Mark(name.partition("~")[2] or None, owner, read_first_line(path), honoured))
    return tuple(marks)


def _read_failed_builds(spool: Spool, folder: BatchFolder, nodes: frozenset[str]) -> tuple[BuildRecord, ...]:
    read = [_read_build(spool, folder, node) for node in sorted(nodes)]
    return tuple(build for build in read if build is not None)


def _read_build(spool: Spool, folder: BatchFolder, node: str) -> BuildRecord | None:
    mark = folder.build_mark(node, ok=False)
    data = spool.ops.read(mark)
    try:
        return None if data is None else decode(BuildRecord, data, mark)
    except RecordError as error:
        # That the build failed is what counts, and its name says so.
        return BuildRecord(node, False, 0.0, 0.0, error.what)

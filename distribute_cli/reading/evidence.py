"""Reading what `distribute explain` is made of."""

from __future__ import annotations

import time

from distribute_cli.reading.batch import read_batch
from distribute_cli.reading.files import read_first_line
from distribute_cli.reading.nodes import read_node_reports, read_steward_age
from distribute_cli.reports.explanation import Evidence, Mark
from distribute_cli.targets import require_batch
from nodewatch.picking import RUNNABLE
from spoold.access import identity_of
from spoold.layout import KILL_NAME, BatchFolder
from spoold.losses import read_losses
from spoold.records import BuildRecord, RecordError, decode
from spoold.snapshot import may_act
from spoold.spool import Spool


def read_evidence(spool: Spool, namespace: str, batch: str, job: str | None = None) -> Evidence:
    """Raises NotFound or RecordError."""
    seen = read_batch(spool, namespace, batch, job)
    folder = require_batch(spool, namespace, batch).folder
    archived = set(spool.ops.names(spool.layout.archived_batch(namespace, batch)))
    outputs = {node: spool.layout.build_output(namespace, batch, node) for node in seen.builds.failed}
    return Evidence(
        time.time(),
        seen,
        read_node_reports(spool),
        _read_marks(spool, folder, seen.header.submitter_uid),
        _read_failed_builds(spool, folder, seen.builds.failed),
        {node: str(path) for node, path in outputs.items() if path.name in archived},
        tuple(read_losses(spool, folder)),
        read_steward_age(spool),
        spool.settings.lease_s,
        str(spool.root),
        RUNNABLE,
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

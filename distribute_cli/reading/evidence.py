"""Reading what `distribute explain` is made of."""

from __future__ import annotations

import time

from distribute_cli.reading.batch import read_batch
from distribute_cli.reading.nodes import read_node_reports, read_steward_age
from distribute_cli.reading.ranking import read_waiting
from distribute_cli.reports.explanation import Evidence
from nodewatch.picking import RUNNABLE
from spoold.spool import Spool
from spoold.tickets import State


def read_evidence(spool: Spool, namespace: str, batch: str, job: str | None = None) -> Evidence:
    """Raises NotFound or RecordError."""
    seen = read_batch(spool, namespace, batch, job)
    archived = set(spool.ops.names(spool.layout.archived_batch(namespace, batch)))
    outputs = {node: spool.layout.build_output(namespace, batch, node) for node in seen.builds.failed}
    return Evidence(
        time.time(),
        seen,
        read_node_reports(spool),
        {node: str(path) for node, path in outputs.items() if path.name in archived},
        read_steward_age(spool),
        spool.settings.lease_s,
        str(spool.root),
        RUNNABLE,
        read_waiting(spool) if any(state is State.PENDING for state, _ in seen.latest.values()) else (),
    )

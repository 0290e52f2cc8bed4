"""Reading what waits in the drop box: which batch a drop would become."""

from __future__ import annotations

from itertools import islice

from distribute_cli.reports.overview import WaitingDrop
from distribute_compute_config.errors import DistributeError
from spoold.access import identity_of
from spoold.drops import Drop, DropKind, look_at
from spoold.sources import open_source
from spoold.spool import Spool

#: So many drops are opened at most: each may be a large file.
_OPENED_MAX = 100


def find_waiting(spool: Spool, key: str) -> WaitingDrop | None:
    """The drop that would become the batch ``NS/BATCH``, if one waits to be admitted."""
    names = sorted(spool.ops.names(spool.layout.incoming))
    drops = (drop for name in names if (drop := look_at(spool, name)) is not None)
    batches = (drop for drop in drops if drop.kind is not DropKind.RETRY)
    for drop in islice(batches, _OPENED_MAX):
        if _read_key(spool, drop) == key:
            return WaitingDrop(drop.name, drop.kind.value, identity_of(drop.uid).name, drop.submitted_at)
    return None


def _read_key(spool: Spool, drop: Drop) -> str | None:
    """None where it can't be known: the file has mistakes, or isn't for us to read."""
    from distribute_compute_config.loading import load_bytes

    try:
        with open_source(spool, drop) as source:
            meta = load_bytes(*source.job_file()).jobfile.meta
    except (DistributeError, OSError):
        return None
    return f"{meta.namespace}/{meta.batch_name}"

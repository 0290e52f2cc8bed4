"""Closing a batch whose last job has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from spoold import saves
from spoold.notices import outbox
from spoold.notices.records import make_notice
from spoold.records import BatchHeader
from spoold.snapshot import BatchRef, has_work
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_log = logging.getLogger(__name__)


def close(
    spool: Spool, ref: BatchRef, header: BatchHeader, latest: Mapping[str, tuple[State, Ticket]]
) -> None:
    """Move the batch to ``finished/``, with a notice in the outbox. May be done by several stewards at once.

    The notice comes first: a crash in between leaves one of a batch that has yet to be closed, which waits.
    """
    ops, target = spool.ops, spool.layout.finished_batch(ref.namespace, ref.batch)
    outbox.put(spool, make_notice(header, latest, time.time()))
    # Nobody looks for work in a finished batch: no power failure may take back what its tickets did.
    ops.flush()
    ops.move_in(ref.folder.path, target.path)
    _log.info("%s has ended", ref.key)
    ops.remove_empty(spool.layout.staging_root / ref.namespace / ref.batch)
    ops.remove_empty(spool.layout.batches / ref.namespace)
    if has_work(spool, target):
        # RACE: somebody retried a job between our look and our rename. Who reads the notice sees that.
        ops.move_in(target.path, ref.folder.path)
        return
    saves.sweep_batch(spool, ref.namespace, ref.batch)

"""Removing what crashes left behind."""

from __future__ import annotations

import logging
from pathlib import Path

from distribute_compute_config.names import is_name
from spoold.codec import RecordError
from spoold.layout import BatchFolder
from spoold.publication import LostResult, finish
from spoold.saves import sweep_saves
from spoold.snapshot import find_batch, read_record, read_state
from spoold.spool import Spool
from spoold.tickets import TERMINAL, State, parse_tickets

_log = logging.getLogger(__name__)

#: In seconds.
OLD_S = 24 * 3600.0


def sweep(spool: Spool) -> None:
    """Go on with admissions that nobody else does, remove staged results that don't count and old files."""
    open_admitted(spool)
    sweep_staging(spool)
    sweep_saves(spool)
    sweep_private(spool)


def open_admitted(spool: Spool) -> None:
    """Let admitted batches appear. Who looks at their drop does so, but its owner may have removed it."""
    layout, ops = spool.layout, spool.ops
    for namespace in filter(is_name, ops.names(layout.archive)):
        archived = set(ops.names(layout.archive / namespace))
        known = {n for root in (layout.batches, layout.finished) for n in ops.names(root / namespace)}
        for batch in filter(is_name, archived - known):
            source = layout.admitted(namespace, batch)
            if source.name in ops.names(source.parent) and ops.move_in(
                source, layout.batch(namespace, batch).path
            ):
                _log.info("opened %s/%s: it was admitted, and its drop is gone", namespace, batch)


def sweep_staging(spool: Spool) -> None:
    """Remove staging folders whose ticket is neither claimed nor being published."""
    root = spool.layout.staging_root
    for namespace in spool.ops.names(root):
        for batch in spool.ops.names(root / namespace):
            _sweep_batch(spool, namespace, batch)
            spool.ops.remove_empty(root / namespace / batch)
        spool.ops.remove_empty(root / namespace)


def _sweep_batch(spool: Spool, namespace: str, batch: str) -> None:
    staged = spool.ops.names(spool.layout.staging_root / namespace / batch)
    if not staged:
        return
    folder: BatchFolder = spool.layout.batch(namespace, batch)
    for state in (State.CLAIMED, State.PUBLISHING):
        _refresh(spool, folder.state(state))
    # RACE: a ticket goes from claimed to publishing. In this order it is seen in one of them, or its
    # result has left the staging folder.
    alive = {str(t) for t in read_state(spool, folder, State.CLAIMED)}
    alive |= {str(t) for t in read_state(spool, folder, State.PUBLISHING)}
    for name in staged:
        if name not in alive and not _let_appear(spool, namespace, batch, name):
            _log.info("sweeping the staged result %s/%s/%s: it doesn't count", namespace, batch, name)
            spool.ops.remove_tree(spool.layout.staging_root / namespace / batch / name)


def _let_appear(spool: Spool, namespace: str, batch: str, name: str) -> bool:
    """Whether this is the only result of a ticket that has ended; then it appears now.

    A power failure may take back the rename that let it appear, and not the one of the ticket: where a file
    server keeps no order between folders.
    """
    ref, tickets = find_batch(spool, namespace, batch), parse_tickets([name])
    if ref is None or not tickets or tickets[0].node is None:
        return False
    ticket = tickets[0]
    if not any(ticket in read_state(spool, ref.folder, state) for state in TERMINAL):
        return False
    try:
        record = read_record(spool, spool.layout.archived_job(namespace, batch, ticket.job))
        if record is not None and record.attempt == ticket.attempt:
            return False
        finish(spool, ref.folder, namespace, batch, ticket)
    except (LostResult, RecordError) as error:
        _log.error("%s/%s/%s stays where it is staged: %s", namespace, batch, name, error)
    return True


def _refresh(spool: Spool, folder: Path) -> None:
    """A live ticket that a listing hides (NFS 3) would cost a result."""
    try:
        spool.ops.refresh(folder)
    except FileNotFoundError:
        # The batch is finished: nothing in it is alive.
        return


def sweep_private(spool: Spool) -> None:
    """Remove what lies in ``tmp/`` for more than a day, by the file server's clock."""
    names = spool.ops.names(spool.layout.tmp)
    if not names:
        return
    now = spool.ops.server_time()
    for name in names:
        path = spool.layout.tmp / name
        try:
            age_s = now - path.lstat().st_mtime
        except FileNotFoundError:
            continue
        if age_s > OLD_S:
            try:
                spool.ops.discard(path)
            except OSError as error:
                # Part of somebody's drop: only its owner can remove it.
                _log.warning("%s stays: %s", path, error)

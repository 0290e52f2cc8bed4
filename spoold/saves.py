"""What an evicted attempt saved: kept in the spool until its job has ended, for the next attempt.

A save is a staged result whose rename goes to ``archive/.resume`` instead of the archive. It is no result,
and no error that ``retries`` counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from spoold.publication import STDERR, STDOUT, archived_name
from spoold.records import ArchivedFile, JobRecord
from spoold.snapshot import find_batch, is_listed, read_state
from spoold.spool import Spool
from spoold.tickets import TERMINAL, Ticket, parse_tickets

_log = logging.getLogger(__name__)

_PREFIX = "saved-"


def keep_save(spool: Spool, namespace: str, batch: str, ticket: Ticket) -> None:
    """Let what is staged be the save of this attempt; do it after a flush, and before the job is given back.

    Nothing happens if nothing is staged. Raises SpoolFull or OSError.
    """
    staging = spool.layout.staging(namespace, batch, ticket)
    try:
        spool.ops.move_in(staging, spool.layout.save(namespace, batch, ticket))
    except FileExistsError:
        # Kept before, by a daemon that died before it gave the job back.
        spool.ops.remove_tree(staging)


def find_save(spool: Spool, namespace: str, batch: str, ticket: Ticket) -> Path | None:
    """The newest save of an earlier attempt, looked for by listing; None if there is none."""
    root = spool.layout.saves_root
    if root.name not in spool.ops.names(root.parent) or not is_listed(spool, root, namespace, batch):
        return None
    saves = [one for one in _list(spool, namespace, batch) if one.job == ticket.job]
    earlier = [one for one in saves if one.attempt < ticket.attempt]
    newest = max(earlier, key=lambda one: one.attempt, default=None)
    return None if newest is None else spool.layout.save(namespace, batch, newest)


def saved_files(record: JobRecord) -> Iterator[tuple[ArchivedFile, str]]:
    """What the job saved, each with its path in ``distribute_save``; not its output. Pure."""
    for file in record.files:
        if file.path not in (STDOUT, STDERR):
            plain = file.path.removeprefix(_PREFIX)
            yield file, plain if archived_name(plain) == file.path else file.path


def sweep_saves(spool: Spool) -> None:
    """Remove the saves of jobs that have ended, and those that a later attempt's took the place of."""
    root = spool.layout.saves_root
    for namespace in spool.ops.names(root):
        for batch in spool.ops.names(root / namespace):
            sweep_batch(spool, namespace, batch)
            spool.ops.remove_empty(root / namespace / batch)
        spool.ops.remove_empty(root / namespace)


def sweep_batch(spool: Spool, namespace: str, batch: str) -> None:
    """Likewise for one batch."""
    saves = _list(spool, namespace, batch)
    ref = find_batch(spool, namespace, batch) if saves else None
    if ref is None:
        return
    # Only what was seen counts: a listing may miss a ticket (NFS 3), and a job without its save begins anew.
    ended = {ticket.job for state in TERMINAL for ticket in read_state(spool, ref.folder, state)}
    newest = {one.job: max(other.attempt for other in saves if other.job == one.job) for one in saves}
    for save in saves:
        if save.job in ended or save.attempt < newest[save.job]:
            _log.info("sweeping what %s/%s/%s saved: nobody goes on from it", namespace, batch, save)
            spool.ops.remove_tree(spool.layout.save(namespace, batch, save))


def _list(spool: Spool, namespace: str, batch: str) -> list[Ticket]:
    names = spool.ops.names(spool.layout.saves_root / namespace / batch)
    return [ticket for ticket in parse_tickets(names) if ticket.node is None]

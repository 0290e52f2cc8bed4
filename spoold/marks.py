"""Kill files that cancel nothing, and their removal."""

from __future__ import annotations

import logging
from pathlib import Path

from spoold.records import BatchHeader
from spoold.snapshot import may_act
from spoold.spool import Spool

_log = logging.getLogger(__name__)


def remove_ineffective(spool: Spool, mark: Path, submitter_uid: int) -> bool:
    """Remove a kill file of somebody who may not cancel the batch; False if it is another by now.

    Left there, it would keep its name from those who may. Raises OSError where it can't be removed: only its
    owner can take a folder of his away.
    """
    private = spool.ops.private()
    if not spool.ops.move(mark, private):
        return False
    effective = may_act(spool, private, submitter_uid)
    if effective:
        # RACE: it was replaced by one that counts after it was judged.
        spool.ops.link_new(private, mark)
    spool.ops.discard(private)
    return not effective


class MarkClearer:
    """Removes kill files without effect; those that can't be removed are told of once."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._stubborn: set[Path] = set()

    def clear(self, mark: Path, header: BatchHeader) -> None:
        if mark in self._stubborn:
            return
        try:
            if remove_ineffective(self._spool, mark, header.submitter_uid):
                _log.warning("%s: %s was removed, its owner may not cancel this batch", header.key, mark.name)
        except PermissionError as error:
            self._stubborn.add(mark)
            _log.warning("%s: %s can't be removed: %s", header.key, mark.name, error)

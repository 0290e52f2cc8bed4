"""Kill files that cancel nothing, and their removal."""

from __future__ import annotations

from pathlib import Path

from spoold.snapshot import may_act
from spoold.spool import Spool


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

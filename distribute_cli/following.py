"""Waiting for a drop to be dealt with, as long as people like to wait."""

from __future__ import annotations

from pathlib import Path

from distribute_cli.reading.nodes import has_steward
from spoold.following import Fate, look_for
from spoold.polling import poll
from spoold.spool import Spool

#: A steward that sleeps between two looks takes a drop well within this.
PATIENCE_S = 10.0
#: With a live steward: it may be copying large inputs, or those of somebody else.
_LONG_PATIENCE_S = 60.0
_COPY_BYTES_PER_S = 20e6


def follow(spool: Spool, drop: Path, size_bytes: int = 0) -> Fate:
    """Wait until the drop, named by ``name_drop``, was dealt with, but not for ever.

    Raises DropRejected with the steward's reason.
    """
    fate = poll(lambda: look_for(spool, drop), PATIENCE_S, every_s=0.1)
    if fate is None and has_steward(spool):
        fate = poll(lambda: look_for(spool, drop), _LONG_PATIENCE_S + size_bytes / _COPY_BYTES_PER_S)
    return fate or Fate.WAITING


def describe_waiting(spool: Spool) -> str:
    """Why a drop is still in the drop box, and what to look at."""
    if has_steward(spool):
        return "it is in the drop box; the steward has much to do; see: distribute status"
    return "it is in the drop box, and no daemon runs that would take it; see: distribute nodes"

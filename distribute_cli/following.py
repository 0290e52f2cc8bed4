"""What becomes of a drop: who submitted one wants to know whether it was taken in."""

from __future__ import annotations

import secrets
from enum import Enum
from pathlib import Path

from distribute_cli.polling import poll
from distribute_cli.reading.nodes import has_steward
from distribute_compute_config.errors import DistributeError
from spoold.spool import Spool

#: A steward that sleeps between two looks takes a drop well within this.
PATIENCE_S = 10.0
#: With a live steward: it may be copying large inputs, or those of somebody else.
_LONG_PATIENCE_S = 60.0
_COPY_BYTES_PER_S = 20e6


class Fate(Enum):
    """What has become of a drop."""

    TAKEN_IN = "taken in"
    WAITING = "waiting"


class DropRejected(DistributeError):
    """The steward refused what was submitted."""


def name_drop(key: str) -> str:
    """A name for a drop about the batch ``key`` that no other drop has or had."""
    return f"{key.replace('/', '.')}.{secrets.token_hex(4)}"


def follow(spool: Spool, drop: Path, size_bytes: int = 0) -> Fate:
    """Wait until the drop, named by ``name_drop``, was dealt with, but not for ever.

    Raises DropRejected with the steward's reason.
    """
    fate = poll(lambda: look_for(spool, drop), PATIENCE_S, every_s=0.1)
    if fate is None and has_steward(spool):
        fate = poll(lambda: look_for(spool, drop), _LONG_PATIENCE_S + size_bytes / _COPY_BYTES_PER_S)
    return fate or Fate.WAITING


def look_for(spool: Spool, drop: Path) -> Fate | None:
    """None while the drop is in the drop box. Raises DropRejected with the steward's reason."""
    if drop.name in spool.ops.names(spool.layout.incoming):
        return None
    reason = spool.layout.rejected / f"{drop.name}.reason.txt"
    if reason.name not in spool.ops.names(spool.layout.rejected):
        return Fate.TAKEN_IN
    text = (spool.ops.read(reason) or b"").decode(errors="replace")
    raise DropRejected(f"{drop.name} was rejected", "", f"{text.strip()}\nthis is kept in {reason}")


def describe_waiting(spool: Spool) -> str:
    """Why a drop is still in the drop box, and what to look at."""
    if has_steward(spool):
        return "it is in the drop box; the steward has much to do; see: distribute status"
    return "it is in the drop box, and no daemon runs that would take it; see: distribute nodes"

"""What becomes of a drop, seen from outside: who submitted one wants to know whether it was taken in."""

from __future__ import annotations

import secrets
from enum import Enum
from pathlib import Path

from distribute_compute_config.errors import DistributeError
from spoold.spool import Spool


class Fate(Enum):
    """What has become of a drop."""

    TAKEN_IN = "taken in"
    WAITING = "waiting"


class DropRejected(DistributeError):
    """The steward refused what was submitted."""


def name_drop(key: str) -> str:
    """A name for a drop about the batch ``key`` that no other drop has or had."""
    return f"{key.replace('/', '.')}.{secrets.token_hex(4)}"


def look_for(spool: Spool, drop: Path) -> Fate | None:
    """None while the drop is in the drop box. Raises DropRejected with the steward's reason."""
    if drop.name in spool.ops.names(spool.layout.incoming):
        return None
    reason = spool.layout.rejected / f"{drop.name}.reason.txt"
    if reason.name not in spool.ops.names(spool.layout.rejected):
        return Fate.TAKEN_IN
    text = (spool.ops.read(reason) or b"").decode(errors="replace")
    raise DropRejected(f"{drop.name} was rejected", "", f"{text.strip()}\nthis is kept in {reason}")

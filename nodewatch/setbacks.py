"""What keeps an attempt from going on here, and what that counts as."""

from __future__ import annotations

from distribute_compute_config.errors import DistributeError
from nodewatch.building import BuildFailed
from spoold.losses import LossCause


class Lost(DistributeError):
    """The attempt can't go on here, through no fault of the job: it is given back."""


class Vanished(Lost):
    """Nobody knows how a run ended: its runner was killed, or the whole machine was."""


class Interrupted(DistributeError):
    """Somebody asked for the end of the attempt before its job began."""


class Stopping(Exception):
    """The daemon ends; the job goes on without it."""


def cause_of(reason: Exception) -> LossCause | None:
    """What a loss counts as. A failed build has its own mark, which keeps the node from the batch."""
    if isinstance(reason, BuildFailed | Interrupted):
        return None
    return LossCause.LOST if isinstance(reason, Vanished) else LossCause.RETURNED

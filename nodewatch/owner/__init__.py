"""Steps aside for the person whose computer this is, and lends it only at the times that they named."""

from nodewatch.owner.policy import Aside, OwnerPolicy, OwnerState, Seen, Source, Stance, Unknown
from nodewatch.owner.schedule import BadSchedule, Outside, Schedule
from nodewatch.owner.settings import AsideSettings, BadSetting, read_settings
from nodewatch.owner.sources import LoadSource, SeatSource, TerminalSource
from nodewatch.owner.watch import OwnerWatch

__all__ = [
    "Aside",
    "AsideSettings",
    "BadSchedule",
    "BadSetting",
    "LoadSource",
    "Outside",
    "OwnerPolicy",
    "OwnerState",
    "OwnerWatch",
    "Schedule",
    "SeatSource",
    "Seen",
    "Source",
    "Stance",
    "TerminalSource",
    "Unknown",
    "read_settings",
]

"""The owner's wishes as ``nodewatch.yaml`` holds them: ``owner``, ``available``, ``outside``. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar

from distribute_compute_config.errors import DistributeError
from distribute_compute_config.quantities import parse_duration
from nodewatch.owner.policy import OwnerPolicy, Source, Unknown
from nodewatch.owner.schedule import Outside, Schedule

KEYS = frozenset({"owner", "available", "outside"})

_DEFAULTS = OwnerPolicy()
_NEVER = "never"

_Kind = TypeVar("_Kind", bound=Enum)


class BadSetting(DistributeError):
    """A setting can't be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class AsideSettings:
    """For whom a node steps aside: its owner, and the hours outside its schedule; None: it doesn't."""

    owner: OwnerPolicy | None = None
    schedule: Schedule | None = None
    outside: Outside = Outside.SUSPEND

    def __bool__(self) -> bool:
        return self.owner is not None or self.schedule is not None


def read_settings(values: Mapping[str, Any]) -> AsideSettings:
    """From the values of the file. Raises BadSetting or BadSchedule, naming what to write instead."""
    schedule = None
    if "available" in values:
        text = values["available"]
        if not isinstance(text, str):
            raise BadSetting(
                "available is no text", "", 'write it as available: "Mon-Fri 19:00-07:00; Sat-Sun"'
            )
        schedule = Schedule.parse(text)
    elif "outside" in values:
        raise BadSetting("outside", "there is no schedule", 'write available: "Mon-Fri 19:00-07:00" too')
    outside = _choice("outside", values.get("outside", Outside.SUSPEND.value), Outside)
    owner = _read_owner(values["owner"]) if "owner" in values else None
    return AsideSettings(owner, schedule, outside)


def _read_owner(written: Any) -> OwnerPolicy | None:
    if isinstance(written, bool):
        return _DEFAULTS if written else None
    if not isinstance(written, Mapping):
        raise BadSetting(
            "owner is no mapping",
            f"it is {written!r}" if written is not None else "it is empty",
            "write owner: true for the defaults, or lines like start_idle: 15m below it",
        )
    for key in written:
        if key not in READERS:
            near = get_close_matches(str(key), READERS, n=1)
            known = f"known are {', '.join(sorted(READERS))}"
            raise BadSetting(
                f"owner: unknown key {str(key)!r}", known, f"did you mean {near[0]}?" if near else ""
            )
    policy = OwnerPolicy(**dict(READERS[key](key, value) for key, value in written.items()))
    return _check(policy, written)


def _check(policy: OwnerPolicy, written: Mapping[str, Any]) -> OwnerPolicy:
    if policy.quiet_load > policy.load and "quiet_load" not in written:
        policy = replace(policy, quiet_load=policy.load)
    if policy.quiet_load > policy.load:
        raise BadSetting(
            "owner: quiet_load is above load", f"{policy.quiet_load} > {policy.load}", "swap them"
        )
    if policy.active_within_s > policy.continue_idle_s or policy.continue_idle_s > policy.start_idle_s:
        raise BadSetting(
            "owner: the delays contradict each other",
            "jobs go on after a longer quiet than makes them stop, and more are taken after a yet longer one",
            "write them so that active_within <= continue_idle <= start_idle",
        )
    return policy


def _read_duration(key: str, value: Any) -> tuple[str, float]:
    if key == "max_suspend" and value == _NEVER:
        return f"{key}_s", math.inf
    try:
        return f"{key}_s", parse_duration(value)
    except ValueError as error:
        raise BadSetting(f"owner: {key}", str(error), f"write for instance {key}: 15m") from error


def _read_load(key: str, value: Any) -> tuple[str, float]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise BadSetting(
            f"owner: {key} is no number of cores", f"it is {value!r}", f"write for instance {key}: 0.5"
        )
    return key, float(value)


def _read_sources(key: str, value: Any) -> tuple[str, tuple[Source, ...]]:
    names = [source.value for source in Source]
    if not isinstance(value, list) or not value:
        raise BadSetting(f"owner: {key} is no list", f"it is {value!r}", f"write {key}: [{', '.join(names)}]")
    return key, tuple(dict.fromkeys(_choice(f"owner: {key}", name, Source) for name in value))


def _read_unknown(key: str, value: Any) -> tuple[str, Unknown]:
    return key, _choice(f"owner: {key}", value, Unknown)


def _choice(key: str, value: Any, kind: type[_Kind]) -> _Kind:
    known = [member.value for member in kind]
    if value in known:
        return kind(value)
    near = get_close_matches(str(value), known, n=1)
    hint = f"did you mean {near[0]}?" if near else ""
    raise BadSetting(f"{key}: {value!r} can't be meant", f"known are {', '.join(known)}", hint)


READERS: dict[str, Callable[[str, Any], tuple[str, Any]]] = {
    "start_idle": _read_duration,
    "active_within": _read_duration,
    "busy_for": _read_duration,
    "continue_idle": _read_duration,
    "max_suspend": _read_duration,
    "load": _read_load,
    "quiet_load": _read_load,
    "sources": _read_sources,
    "unknown": _read_unknown,
}

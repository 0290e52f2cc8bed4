"""The repairs that are safe: steps that ``spool-layout.md`` lets anybody take, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum

from distribute_compute_config.errors import DistributeError
from spoold.access import identity_of
from spoold.checking.findings import (
    Finding,
    FinishTicket,
    MakeFolder,
    MoveBatch,
    PutTicket,
    Repair,
    SetMode,
    SweepPrivate,
    SweepSaves,
    SweepStaging,
    shell,
)
from spoold.checking.looking import look_at
from spoold.checking.sights import see_tickets
from spoold.leases import LeaseHeld, describe_holder, make_lease, try_acquire
from spoold.publication import finish
from spoold.saves import sweep_saves
from spoold.spool import Spool
from spoold.sweeping import sweep_private, sweep_staging

#: A batch moves when all in it is mended; a sweep comes when no staged result can be needed any more.
_ORDER = (MakeFolder, SetMode, PutTicket, FinishTicket, MoveBatch, SweepStaging, SweepSaves, SweepPrivate)
_POLL_S = 0.2

Wait = Callable[[float], None]


class NotRepaired(DistributeError):
    """A repair can't be carried out, or not by this user."""


class Fate(Enum):
    """What becomes of a finding."""

    REPAIRED = "repaired"
    REPAIRABLE = "repairable"
    BY_HAND = "by-hand"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding and what becomes of it; ``trouble`` says why a repair failed."""

    finding: Finding
    fate: Fate
    trouble: str = ""


def leave(findings: Iterable[Finding]) -> list[Judged]:
    """What would become of them; nothing is touched."""
    return [Judged(one, Fate.REPAIRABLE if one.repair else Fate.BY_HAND) for one in findings]


def repair(spool: Spool, findings: Iterable[Finding], wait: Wait = time.sleep) -> list[Judged]:
    """Repair what can be; the rest is left as it is.

    One repair that fails doesn't hold up the others. Raises NotRepaired if this isn't the spool's owner, and
    LeaseHeld if somebody else makes lost tickets anew.
    """
    findings = list(findings)
    _check_user(spool)
    troubles: dict[Repair, str] = {}
    with ExitStack() as stack:
        if any(isinstance(one.repair, PutTicket) for one in findings):
            stack.enter_context(_alone(spool, wait))
        repairs = {one.repair: None for one in findings if one.repair}
        for due in sorted(repairs, key=lambda one: _ORDER.index(type(one))):
            try:
                _do(spool, due)
                troubles[due] = ""
            except (OSError, DistributeError) as error:
                troubles[due] = str(error)
        spool.ops.flush()
    return [_judge(one, troubles) for one in findings]


def _judge(finding: Finding, troubles: dict[Repair, str]) -> Judged:
    if finding.repair is None:
        return Judged(finding, Fate.BY_HAND)
    trouble = troubles[finding.repair]
    return Judged(finding, Fate.FAILED if trouble else Fate.REPAIRED, trouble)


def _check_user(spool: Spool) -> None:
    """What another user makes, root included, the daemons might not be able to move."""
    owner = spool.root.lstat().st_uid
    if os.geteuid() != owner:
        name = identity_of(owner).name
        raise NotRepaired(
            f"{spool.root} isn't yours to repair",
            f"it belongs to {name}",
            f"type: {shell('sudo', '-u', name, 'distribute', '--spool', spool.root, 'fsck', '--repair')}",
        )


@contextmanager
def _alone(spool: Spool, wait: Wait) -> Iterator[None]:
    """Only one at a time may prove that a ticket is nowhere and then make one. Raises LeaseHeld."""
    settings = spool.settings
    lease = make_lease(spool.layout.tmp / "fsck.lease", settings)
    left_s = settings.lease_s + 2 * settings.heartbeat_s
    while not try_acquire(lease):
        if left_s <= 0:
            raise LeaseHeld("the spool is being repaired", f"by {describe_holder(lease)}", "wait for its end")
        wait(_POLL_S)
        left_s -= _POLL_S
    try:
        yield
    finally:
        lease.release()


def _do(spool: Spool, due: Repair) -> None:
    match due:
        case MakeFolder(path, mode):
            spool.ops.make_folder(path, mode)
        case SetMode():
            _set_mode(spool, due)
        case PutTicket():
            _put(spool, due)
        case FinishTicket(namespace, batch, folder, ticket):
            finish(spool, folder, namespace, batch, ticket)
        case MoveBatch(source, target):
            spool.ops.move_in(source, target)
        case SweepStaging():
            sweep_staging(spool)
        case SweepSaves():
            sweep_saves(spool)
        case SweepPrivate():
            sweep_private(spool)


def _set_mode(spool: Spool, due: SetMode) -> None:
    """Never through a link; what the service user owns nobody else can replace meanwhile."""
    facts = look_at(due.path)
    if facts is None or not facts.plain or facts.uid != os.geteuid():
        raise NotRepaired(f"{due.path} was replaced meanwhile", "", "look again: distribute fsck")
    spool.ops.set_mode(due.path, due.mode)


def _put(spool: Spool, due: PutTicket) -> None:
    states, lost, _ = see_tickets(spool, due.folder, [due.ticket.job])
    if due.ticket.job not in lost or None in states.values():
        raise NotRepaired(
            f"{due.ticket.job} isn't lost now", "its ticket moved", "look again: distribute fsck"
        )
    spool.ops.create(due.folder.ticket(due.state, due.ticket))

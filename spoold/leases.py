"""Who is alive: leases, and watching those of others.

A lease is a ``filelock.SoftFileLease``: its holder refreshes a file, and an observer times on its own
monotonic clock how long that didn't happen. Leases make things efficient; what is correct is decided by
renames.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from weakref import WeakKeyDictionary

from filelock import LeaseSettingsMismatch, OwnerRecord, SoftFileLease, Timeout

from distribute_compute_config.errors import DistributeError
from spoold.holders import read_holder
from spoold.layout import FILE_MODE
from spoold.spool import Settings, Spool

_log = logging.getLogger(__name__)


_POLL_S = 0.2


class LeaseHeld(DistributeError):
    """Somebody else holds the lease."""


class SettingsMismatch(DistributeError):
    """A living daemon of this spool goes by other settings."""


def make_lease(
    path: Path, settings: Settings, on_loss: Callable[[object], None] | None = None
) -> SoftFileLease:
    """A lease that isn't held yet; ``on_loss`` is called from its heartbeat thread."""
    return SoftFileLease(
        str(path),
        lease_duration=settings.lease_s,
        heartbeat_interval=settings.heartbeat_s,
        on_compromise=on_loss,
        timeout=0,
        thread_local=False,
        mode=FILE_MODE,
    )


def make_taking(path: Path, settings: Settings) -> SoftFileLease:
    """A lease to take from whoever holds it now, after the patience that its holder counted on."""
    holder = make_lease(path, settings).owner
    if holder is None or not holder.lease_duration or holder.lease_duration == settings.lease_s:
        return make_lease(path, settings)
    heartbeat_s = min(settings.heartbeat_s, holder.lease_duration / 3)
    return make_lease(path, replace(settings, lease_s=holder.lease_duration, heartbeat_s=heartbeat_s))


def suits_holder(lease: SoftFileLease) -> bool:
    """Whether we hold it, or whoever does counts on the same patience."""
    holder = lease.owner
    return lease.is_locked or holder is None or holder.lease_duration == lease.lease_duration


@dataclass(frozen=True, slots=True)
class _Stranger:
    """A lease whose holder goes by other settings, as it was seen first; ``says`` what they are."""

    mark: tuple[int, int] | None
    duration_s: float
    says: str


def require_agreement(spool: Spool, stop: Event, own: Path | None = None) -> None:
    """Make sure that no living daemon counts on other durations than ours; ``own`` isn't looked at.

    Takes no time where all agree, else up to the duration of their leases; those that weren't refreshed
    meanwhile are removed, so that the next daemon needn't wait again. Raises SettingsMismatch.
    """
    strangers = _find_strangers(spool, own)
    if not strangers:
        return
    patience_s = max(stranger.duration_s for stranger in strangers.values())
    _log.warning(
        "%s: other settings than in %s; waiting up to %g s to see who is alive",
        ", ".join(map(str, strangers)), spool.layout.settings, patience_s,
    )  # fmt: skip
    settings, deadline_s = spool.settings, time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        if stop.wait(_POLL_S):
            return
        for path, stranger in strangers.items():
            now = read_mark(path)
            if now is not None and now != stranger.mark:
                ours = f"lease_s is {settings.lease_s:g} and heartbeat_s is {settings.heartbeat_s:g}"
                raise SettingsMismatch(
                    f"{path} is refreshed by {describe_holder(make_lease(path, settings))}",
                    f"its {stranger.says}, in {spool.layout.settings} {ours}",
                    "after a change of spool.yaml stop every daemon, then start them all",
                )
    for path in strangers:
        # RACE: whoever takes it now loses it, and takes it again.
        make_lease(path, settings).break_lock()


def _find_strangers(spool: Spool, own: Path | None) -> dict[Path, _Stranger]:
    """The leases of holders that go by other settings."""
    found = {}
    leases: dict[Path, str | None] = {spool.layout.steward_lease: None}
    for name in spool.ops.names(spool.layout.nodes):
        node = spool.layout.node(name)
        if node.lease.name in spool.ops.names(node.path):
            leases[node.lease] = name
    for path, node_name in leases.items():
        holder = make_lease(path, spool.settings).owner if path != own else None
        says = _differing(spool, node_name, holder) if holder else ""
        if holder and says:
            found[path] = _Stranger(read_mark(path), holder.lease_duration or spool.settings.lease_s, says)
    return found


def _differing(spool: Spool, node: str | None, holder: OwnerRecord) -> str:
    """What the holder of a lease says that differs from our settings; empty if all agrees."""
    settings = spool.settings
    if holder.lease_duration and holder.lease_duration != settings.lease_s:
        return f"lease_s is {holder.lease_duration:g}"
    record = read_holder(spool, node) if node else None
    if record and record.token == holder.token and record.heartbeat_s != settings.heartbeat_s:
        return f"heartbeat_s is {record.heartbeat_s:g}"
    return ""


def try_acquire(lease: SoftFileLease) -> bool:
    """One try; the observer's patience is kept in ``lease`` from one try to the next."""
    try:
        if _acquire(lease):
            return True
        if not _is_over(lease):
            return False
        # RACE: whoever was first to break it may hold it anew, and loses it then. No job is harmed.
        lease.break_lock()
        return _acquire(lease)
    except LeaseSettingsMismatch as error:
        # Somebody edited spool.yaml: daemons that read it before and after don't know each other's patience.
        _log.warning("%s; restart every daemon after a change of spool.yaml", error)
        return False


def _acquire(lease: SoftFileLease) -> bool:
    try:
        lease.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _is_over(lease: SoftFileLease) -> bool:
    """Whether its holder is dead or was silent for too long, where filelock doesn't take it over.

    filelock does that by exchanging two names in one step, which NFS refuses; so there it never would.
    """
    owner = lease.owner
    if owner is None or owner.lease_duration != lease.lease_duration:
        return False
    if _describes_this_host(owner.hostname) and _is_over_in_a_copy(lease):
        return True
    watch = _watches.setdefault(lease, LeaseWatch(lease.lease_duration / 3))
    return watch.look(Path(lease.lock_file), time.monotonic()) >= lease.lease_duration


def _is_over_in_a_copy(lease: SoftFileLease) -> bool:
    """Whether filelock takes a copy on a local disk: it knows that the holder, of this host, is gone."""
    with tempfile.TemporaryDirectory(prefix="lease-") as folder:
        copy = Path(folder) / "lease"
        try:
            copy.write_bytes(Path(lease.lock_file).read_bytes())
        except FileNotFoundError:
            return False
        probe = SoftFileLease(str(copy), lease_duration=lease.lease_duration, timeout=0)
        gone = _acquire(probe)
        probe.release()
        return gone


def describe_holder(lease: SoftFileLease) -> str:
    """``HOST (pid PID)`` of whoever holds it, as the lease says."""
    owner = lease.owner
    return "nobody" if owner is None else f"{owner.hostname} (pid {owner.pid})"


def held_on_this_host(lease: SoftFileLease) -> bool:
    owner = lease.owner
    return owner is not None and _describes_this_host(owner.hostname)


def _describes_this_host(recorded: str) -> bool:
    """A host's name in a lease may be followed by ``?`` and the holder's container."""
    return recorded.partition("?")[0] == socket.gethostname()


@dataclass(slots=True)
class _Observed:
    mark: tuple[int, int] | None
    unchanged_s: float
    looked_s: float


class LeaseWatch:
    """How long each lease was seen unrefreshed.

    Time counts only while this observer looks: when it or the file server stood still for long, nobody
    could refresh anything, and that says nothing about the others.
    """

    def __init__(self, longest_gap_s: float) -> None:
        self._longest_gap_s = longest_gap_s
        self._seen: dict[Path, _Observed] = {}

    def look(self, lease: Path, now_s: float) -> float:
        """Seconds for which ``lease`` was seen unchanged (or missing), on this observer's clock."""
        mark = read_mark(lease)
        seen = self._seen.get(lease)
        if seen is None or seen.mark != mark:
            self._seen[lease] = _Observed(mark, 0.0, now_s)
            return 0.0
        seen.unchanged_s += min(now_s - seen.looked_s, self._longest_gap_s)
        seen.looked_s = now_s
        return seen.unchanged_s


#: What was seen of the holders of leases that we want.
_watches: WeakKeyDictionary[SoftFileLease, LeaseWatch] = WeakKeyDictionary()


def read_mark(lease: Path) -> tuple[int, int] | None:
    """What changes whenever the lease is refreshed or taken; None if there is no lease."""
    try:
        # open(2) makes NFS ask for fresh attributes; stat(2) may answer from a cache a minute old.
        # A stranger may have made a link or a pipe of that name, while the node had no lease.
        handle = os.open(lease, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        info = os.fstat(handle)
        return info.st_ino, info.st_mtime_ns
    finally:
        os.close(handle)

"""The steward: admits drops, releases, cancels and gives up jobs, reclaims, closes, sweeps.

One sweep after another; each step may be done by two stewards at once. What to do is decided in
``policy``; here it is looked at and done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from filelock import SoftFileLease

from spoold import drops, sweeping
from spoold.admission import take_in
from spoold.awaiting import read_standing
from spoold.claims import give_back, lose
from spoold.closing import close
from spoold.codec import RecordError
from spoold.fsops import SpoolFull
from spoold.leases import LeaseWatch, held_on_this_host, make_taking, suits_holder, try_acquire
from spoold.losses import Loss, LossCause, note_loss, read_losses
from spoold.marks import MarkClearer
from spoold.mounts import is_local
from spoold.policy import Action, BatchView, ClearMark, Close, Finish, GiveBack, Lose, MoveTicket, plan
from spoold.publication import LostResult, finish
from spoold.records import BatchHeader
from spoold.resting import Rests
from spoold.snapshot import (
    BatchRef,
    BatchTickets,
    Builds,
    list_batches,
    list_nodes,
    read_builds,
    read_header,
    read_jobs,
    read_kills,
    read_node,
    read_state,
)
from spoold.spool import Spool
from spoold.tickets import TERMINAL, State, Ticket

_log = logging.getLogger(__name__)

_STUCK_S = 10.0
_SWEEP_EVERY_S = 600.0


class Steward:
    """The steward's memory between two sweeps; everything in it can be learnt anew from the spool."""

    def __init__(self, spool: Spool, clock: Callable[[], float] = time.monotonic) -> None:
        self._spool, self._clock = spool, clock
        self._settling = drops.Settling(spool.settings.settle_s)
        self._local = is_local(spool.root)
        self._watch = LeaseWatch(spool.settings.heartbeat_s)
        self._taken: dict[str, SoftFileLease] = {}
        self._headers: dict[str, BatchHeader] = {}
        self._depends: dict[str, dict[str, tuple[str, ...]]] = {}
        self._publishing_since: dict[tuple[str, Ticket], float] = {}
        self._rests = Rests(spool)
        self._swept_s = -_SWEEP_EVERY_S
        self._marks = MarkClearer(spool)
        self._news = False
        self.idle = False
        self.acted = False
        self.closed = False

    def sweep(self) -> bool:
        """Look at everything once and do what is due; returns whether jobs became pending.

        Raises OSError or SpoolFull when the spool can't be read; the next sweep goes on. What can't be done
        for one drop or one batch is logged.
        """
        self.admit_drops()
        refs = list_batches(self._spool)
        self.idle = not refs
        self._forget_gone({ref.key for ref in refs})
        holders = {t.node for ref in refs for t in read_state(self._spool, ref.folder, State.CLAIMED)}
        try:
            lapsed = self._take_lapsed({node for node in holders if node})
            for ref in refs:
                self._tend(ref, lapsed)
        finally:
            # Kept, it would look like a node that lives.
            self._release({node for node, lease in self._taken.items() if lease.is_locked})
        if self._clock() - self._swept_s >= _SWEEP_EVERY_S:
            sweeping.sweep(self._spool)
            self._swept_s = self._clock()
        return self._news

    @property
    def expects_change(self) -> bool:
        """Whether a drop is settling, so that the next sweep should come soon."""
        return self._settling.waiting()

    def close(self) -> None:
        """Give back the leases of lapsed nodes that this steward was taking."""
        self._release(self._taken)

    # Drops

    def admit_drops(self) -> bool:
        """Admit or reject every drop that is complete; returns whether there was one."""
        self._news = self.acted = self.closed = False
        names = self._spool.ops.names(self._spool.layout.incoming)
        self._settling.forget_all_but(set(names))
        for name in sorted(names):
            drop = drops.look_at(self._spool, name)
            if drop is not None and self._complete(drop):
                self._take_in(drop)
        return self._news

    def _complete(self, drop: drops.Drop) -> bool:
        if drop.kind.arrives_whole:
            return True
        settled = self._settling.settled(drop.name, drops.fingerprint(drop), self._clock())
        return settled and not (self._local and drops.being_written(drop))

    def _take_in(self, drop: drops.Drop) -> None:
        try:
            take_in(self._spool, drop)
        except (OSError, SpoolFull) as error:
            # It stays for the next sweep; batches can be tended nevertheless.
            _log.error("%s: %s", drops.show_name(drop.name), error)
            return
        self._news = self.acted = True
        if not drop.kind.arrives_whole:
            self._settling.set_dealt(drop.name)

    # Batches

    def _tend(self, ref: BatchRef, lapsed: set[str]) -> None:
        try:
            view = self._view(ref, lapsed)
            if view is None:
                return
            for action in plan(view, self._capable(view), frozenset(lapsed)):
                self._do(ref, view, action)
        except (OSError, SpoolFull, RecordError, LostResult) as error:
            # One batch that can't be tended now must not hold up the others.
            _log.error("%s: %s", ref.key, error)

    def _view(self, ref: BatchRef, lapsed: set[str]) -> BatchView | None:
        header = self._header(ref)
        if header is None:
            return None
        tickets = self._tickets(ref, header)
        latest = tickets.latest()
        held = tickets.by_state[State.HELD]
        return BatchView(
            header,
            latest,
            read_builds(self._spool, ref.folder) if header.needs_build else Builds(),
            read_kills(self._spool, ref.folder, header.submitter_uid),
            self._dependencies(ref) if held else None,
            self._stuck(ref, tickets.by_state[State.PUBLISHING]),
            tuple(read_losses(self._spool, ref.folder)) if lapsed else (),
            self._rests.look(ref, held, self._clock()),
            {key: read_standing(self._spool, key) for key in header.after} if held else {},
        )

    def _header(self, ref: BatchRef) -> BatchHeader | None:
        if ref.key not in self._headers:
            header = read_header(self._spool, ref.folder)
            if header is None:
                return None
            self._headers[ref.key] = header
        return self._headers[ref.key]

    def _tickets(self, ref: BatchRef, header: BatchHeader) -> BatchTickets:
        """The tickets; those of ended jobs only when they matter: there may be thousands."""
        by_state: dict[State, list[Ticket]] = {state: [] for state in State}
        for state in (State.HELD, State.PENDING, State.CLAIMED, State.PUBLISHING):
            by_state[state] = read_state(self._spool, ref.folder, state)
        if by_state[State.HELD] or not any(by_state.values()):
            for state in sorted(TERMINAL, key=lambda s: s.value):
                by_state[state] = read_state(self._spool, ref.folder, state)
            if sum(map(len, by_state.values())) < header.jobs_total:
                self._refresh(ref)
        return BatchTickets(by_state)

    def _refresh(self, ref: BatchRef) -> None:
        """Some ticket was moving, or hides from us: NFS 3 may not list it until its folder changes."""
        for state in State:
            self._spool.ops.refresh(ref.folder.state(state))

    def _dependencies(self, ref: BatchRef) -> dict[str, tuple[str, ...]] | None:
        if ref.key not in self._depends:
            jobs = read_jobs(self._spool, ref.folder)
            if jobs is None:
                return None
            self._depends[ref.key] = {job.name: job.depends for job in jobs.jobs}
        return self._depends[ref.key]

    def _stuck(self, ref: BatchRef, publishing: Iterable[Ticket]) -> frozenset[Ticket]:
        now_s = self._clock()
        since = {(ref.key, t): self._publishing_since.get((ref.key, t), now_s) for t in publishing}
        others = {k: v for k, v in self._publishing_since.items() if k[0] != ref.key}
        self._publishing_since = others | since
        return frozenset(ticket for (_, ticket), seen_s in since.items() if now_s - seen_s >= _STUCK_S)

    def _capable(self, view: BatchView) -> frozenset[str]:
        """The live nodes that could build the batch; asked only when some build failed."""
        if not view.builds.failed:
            return frozenset()
        capable = set()
        for name in list_nodes(self._spool):
            info = read_node(self._spool, name)
            silent_s = self._watch.look(self._spool.layout.node(name).lease, self._clock())
            live = silent_s < self._spool.settings.lease_s and self._has_lease(name)
            if info and live and set(view.header.needs) <= set(info.capabilities):
                capable.add(name)
        return frozenset(capable)

    def _has_lease(self, node: str) -> bool:
        folder = self._spool.layout.node(node)
        return folder.lease.name in self._spool.ops.names(folder.path)

    def _do(self, ref: BatchRef, view: BatchView, action: Action) -> None:
        ops, folder = self._spool.ops, ref.folder
        self.acted = True
        match action:
            case MoveTicket(source, target, ticket):
                ops.move(folder.ticket(source, ticket), folder.ticket(target, ticket))
                self._news |= target is State.PENDING
                _log.info("%s/%s: %s → %s", ref.key, ticket, source.value, target.value)
            case GiveBack(ticket) | Lose(ticket) if not self._has_taken(ticket.node):
                # RACE: we stood still, and the node came back. If we did so after this look, it finds out.
                _log.warning("%s/%s is left alone: its node's lease isn't ours any more", ref.key, ticket)
            case GiveBack(ticket):
                self._note_loss(ref, ticket)
                give_back(self._spool, folder, ticket)
                self._news = self.acted = True
                _log.warning("%s/%s: its node is gone, requeued", ref.key, ticket)
            case Lose(ticket, reason):
                self._note_loss(ref, ticket)
                lose(self._spool, folder, ticket)
                _log.error("%s/%s: failed, %s", ref.key, ticket, reason)
            case Finish(ticket):
                finish(self._spool, folder, ref.namespace, ref.batch, ticket)
            case Close():
                close(self._spool, ref, view.header, view.latest)
                self.closed = True
            case ClearMark(name):
                self._marks.clear(folder.path / name, view.header)

    def _note_loss(self, ref: BatchRef, ticket: Ticket) -> None:
        reason = f"{ticket.node} was silent for {self._spool.settings.lease_s:g} s"
        note_loss(self._spool, ref.folder, Loss(ticket, LossCause.LOST), reason)

    def _forget_gone(self, keys: set[str]) -> None:
        self._headers = {k: v for k, v in self._headers.items() if k in keys}
        self._depends = {k: v for k, v in self._depends.items() if k in keys}
        self._publishing_since = {k: v for k, v in self._publishing_since.items() if k[0] in keys}
        self._rests.forget_gone(keys)

    # Lapsed nodes

    def _take_lapsed(self, holders: set[str]) -> set[str]:
        """The nodes among ``holders`` whose expired lease is ours now."""
        self._release(set(self._taken) - holders)
        return {node for node in holders if self._take_lease(node)}

    def _take_lease(self, node: str) -> bool:
        path = self._spool.layout.node(node).lease
        silent_s = self._watch.look(path, self._clock())
        if silent_s < 2 * self._spool.settings.heartbeat_s:
            return False
        lease = self._taken.get(node)
        if lease is None or not suits_holder(lease):
            lease = self._taken[node] = make_taking(path, self._spool.settings)
        # On one host, filelock would take the lease of a dead process at once: but a job outlives its
        # daemon, and the next daemon shall find it.
        if silent_s < lease.lease_duration and (held_on_this_host(lease) or lease.owner is None):
            return False
        return lease.is_locked or try_acquire(lease)

    def _has_taken(self, node: str | None) -> bool:
        """Whether the lease of a lapsed node is ours still, as it says itself."""
        lease = self._taken.get(node or "")
        if lease is None or not lease.is_locked:
            return False
        holder = lease.owner
        return holder is not None and holder.token == lease.token

    def _release(self, nodes: Iterable[str]) -> None:
        for node in list(nodes):
            lease = self._taken.pop(node, None)
            if lease is not None and lease.is_locked:
                lease.release()

"""The node's daemon: puts the parts together, starts them, and ends them without ending the jobs."""

from __future__ import annotations

import logging
import random
import time
from threading import Event, Thread

from distribute_compute_config.errors import DistributeError
from nodewatch.cache import Cache
from nodewatch.capabilities import find_abilities
from nodewatch.config import NodeConfig
from nodewatch.guard import Guard
from nodewatch.idling import IdleExit
from nodewatch.inheritance import Inheritance
from nodewatch.lease import NodeLease
from nodewatch.ledger import Ledger
from nodewatch.orders import Orders
from nodewatch.outcomes import FENCED
from nodewatch.presence import (
    describe_node,
    find_delegation,
    make_node_folder,
    publish_node,
    read_quarantines,
)
from nodewatch.process import ExitRecord, Launcher
from nodewatch.quarantine import Quarantines
from nodewatch.queue import Claimed, Queue
from nodewatch.reporting import Reporter
from nodewatch.slot import Slot
from nodewatch.strays import Strays
from nodewatch.tools import Tools
from nodewatch.topology import lend, read_siblings
from nodewatch.uploading import Uploader
from nodewatch.workers import Work, Workers
from spoold.daemon import StewardLoop
from spoold.drops import has_drops
from spoold.leases import LeaseHeld, SettingsMismatch, require_agreement
from spoold.mounts import is_local
from spoold.spool import Spool
from spoold.watching import Watcher

_log = logging.getLogger(__name__)

_CLOSE_UPLOADS_S = 10.0
_GIVE_BACK_S = 600.0
_LONGEST_REST_S = 60.0
_TIDY_ROUNDS = 10


class Node:
    """One workstation's daemon. ``run`` works until ``stop``; with ``requeue`` it gives its jobs back."""

    def __init__(self, spool: Spool, config: NodeConfig, orders: Orders, guard: Guard) -> None:
        self._spool, self._config = spool, config
        self._orders = orders
        self._stop, self._requeue, self._wake = orders.stop, orders.requeue, orders.wake
        self._scratch, self._supervisor, self._guard = guard.scratch, guard.supervisor, guard
        self._abilities = find_abilities(config)
        self._capabilities = self._abilities.capabilities
        self._quarantines = Quarantines(read_quarantines(spool, config.name))
        self._ledger = Ledger(config.capacity)
        self._queue = Queue(
            spool, self._scratch, config.name, self._capabilities, self._quarantines, self._ledger
        )
        self._strays = Strays(spool, config.name, self._scratch)
        self._steward_wake = Event()
        self._idle, self._untold = Event(), Event()
        self._lease = NodeLease(spool, config.name, self._scratch, self._make_way)
        self._successor = ""
        wakes = self._steward_wake, self._wake.set
        self._steward = StewardLoop(spool, self._stop, *wakes, config.notices) if config.steward else None
        self._trouble = self._slot_trouble = ""
        self._losses, self._tidy_at_s = 0, 0.0

    def run(self) -> bool:
        """Returns whether something goes on without us, so that the lease must stand.

        Raises LeaseHeld or SettingsMismatch.
        """
        make_node_folder(self._spool, self._config.name)
        self._lease.take(self._stop)
        self._agree()
        self._delegation = find_delegation(self._config)
        publish_node(self._spool, describe_node(self._config, self._capabilities, self._delegation))
        with Launcher(self._delegation) as launcher:
            self._queue.barred = self._supervisor.barred
            self._uploader = Uploader(self._spool, self._config.name, self._uploaded, self._lease.is_ours)
            tools = self._tools(launcher)
            work = Work(
                lambda: Slot(tools), self._take_next, self._rest, self._wake.set, self._stop, self._requeue
            )
            self._workers = Workers(work, self._queue, self._ledger)
            self._idle_exit = self._make_idle_exit()
            self._reporter = Reporter(
                self._spool,
                self._config,
                self._scratch,
                self._lease,
                self._supervisor,
                self._uploader,
                lambda: self._workers.slots,
                self._quarantines,
                self._problems,
            )
            self._guard.on_aside = self._reporter.stir
            left_running = self._work() or bool(self._uploader.waiting)
        if left_running:
            self._reporter.say_leaving()
        else:
            self._lease.release()
        if self._successor:
            raise LeaseHeld(
                f"node {self._config.name!r} runs on {self._successor} by now",
                "this daemon was not heard of for too long; what ran here was stopped",
                "give one of the two another --name",
            )
        return left_running

    def _agree(self) -> None:
        """RACE: of daemons that start at one time each sees the other's lease only now."""
        try:
            require_agreement(self._spool, self._stop, self._spool.layout.node(self._config.name).lease)
        except SettingsMismatch:
            self._lease.release()
            raise

    def _tools(self, launcher: Launcher) -> Tools:
        cache = Cache(self._scratch.cache, self._config.cache_bytes)
        return Tools(
            self._spool,
            self._config,
            self._scratch,
            cache,
            launcher,
            self._supervisor,
            self._stop,
            self._requeue,
            self._uploader.put,
            self._queue.forget,
            self._note,
            self._queue.built,
            lend(read_siblings(), self._config.cores, self._config.reserved_cores),
        )

    def _work(self) -> bool:
        self._uploader.start()
        steward = self._start_steward() if self._steward else None
        watcher = Watcher(self._wake)
        watcher.start([self._spool.layout.node(self._config.name).path], [self._spool.layout.batches])
        try:
            inheritance = Inheritance(
                self._spool, self._config.name, self._scratch, self._config.capacity, self._uploader.put
            )
            resumed = inheritance.take(self._queue.batches())
            self._reporter.start()
            return self._workers.work(resumed)
        finally:
            watcher.close()
            self._reporter.close()
            self._uploader.close(_GIVE_BACK_S if self._requeue.is_set() else _CLOSE_UPLOADS_S)
            if steward:
                # Without it there was only something to give back.
                self._stop.set()
                self._steward_wake.set()
                steward.join(_CLOSE_UPLOADS_S)

    def _take_next(self) -> Claimed | None:
        """One job, or None after a wait for one."""
        try:
            self._tidy()
            claimed = self._claim_next()
            if claimed:
                self._reporter.stir()
                return claimed
            self._trouble = ""
            if self._idle_exit and self._idle_exit.is_due():
                self._orders.end()
                return None
        except (OSError, DistributeError) as error:
            self._trouble = str(error).splitlines()[0]
            _log.error("%s", error)
        self._await_hint()
        return None

    def _make_idle_exit(self) -> IdleExit | None:
        after_s, guard = self._config.idle_exit_s, self._guard
        if after_s is None:
            return None
        return IdleExit(after_s, self._is_needed, guard.lock_door, guard.unlock_door)

    def _is_needed(self) -> bool:
        """Whether anything is left that this node could be for. Drops first: they become batches."""
        busy = any(slot.claimed for slot in self._workers.slots) or self._uploader.waiting
        return bool(busy) or has_drops(self._spool) or self._queue.needs_us()

    def _claim_next(self) -> Claimed | None:
        if not self._free() or self._nothing_there() or not self._queue.look():
            return None
        self._reporter.hear_anew()
        return self._queue.take() if self._free() and self._lease.is_ours() else None

    def _nothing_there(self) -> bool:
        """Our own steward has looked, and there is no batch: it wakes us when there is one."""
        return self._steward is not None and self._steward.sees_no_batch

    def _await_hint(self) -> None:
        # RACE: the uploader sets ``untold`` and then looks whether this is idle: one of them sees the other.
        self._idle.set()
        self._tell_steward()
        rescan_s = self._spool.settings.rescan_s
        if self._wake.wait(rescan_s * random.uniform(0.8, 1.0)):
            # A hint may come just after a listing: a batch appears right after its namespace's folder.
            self._stop.wait(min(self._queue.rest_s(), rescan_s))
        self._wake.clear()
        self._idle.clear()

    def _rest(self, slot: Slot) -> None:
        """After a loss, the longer the more there were: no broken node may use up every job's attempts."""
        self._slot_trouble = slot.trouble
        if not slot.trouble:
            self._losses = 0
            return
        self._losses += 1
        self._stop.wait(min(self._spool.settings.rescan_s * 2**self._losses, _LONGEST_REST_S))

    def _tidy(self) -> None:
        """Now and then, or when room is needed: remove what has ended, give back what nobody knows of."""
        now_s = time.monotonic()
        # An unmounted spool has no batches either.
        if (now_s < self._tidy_at_s and not self._scratch.full()) or not self._spool.layout.batches.is_dir():
            return
        self._tidy_at_s = now_s + _TIDY_ROUNDS * self._spool.settings.rescan_s
        batches = self._queue.batches()
        self._scratch.remove_trees_except(set(batches))
        if batches and self._lease.is_ours():
            self._strays.look(batches)

    def _free(self) -> bool:
        self._slot_trouble = ""
        return not (
            self._lease.lost
            or self._supervisor.paused()
            or self._supervisor.holding
            or self._supervisor.evicting
            or self._reporter.draining
            or self._scratch.full()
        )

    # The rest

    def _note(self, claimed: Claimed, ended: ExitRecord) -> None:
        """Learn from how a job ended by itself whether this node is to be trusted with its batch."""
        failed = ended.kill_reason is None and ended.exit_code != 0 and not ended.over_memory
        if self._quarantines.note(claimed.ref.key, failed, ended.wall_s):
            self._queue.forget(claimed.ref.key)

    def _make_way(self, successor: str) -> None:
        """Another daemon lives under our name: end what runs here, and then ourselves."""
        _log.error("this node runs on %s by now: what runs here is stopped", successor)
        self._successor = successor
        for slot in self._workers.slots:
            if slot.claimed:
                slot.end(slot.claimed, FENCED)
        self._orders.end(requeue=True)

    def _start_steward(self) -> Thread:
        assert self._steward is not None
        thread = Thread(target=self._steward.run, name="steward", daemon=True)
        thread.start()
        return thread

    def _uploaded(self) -> None:
        """Between two jobs a sweep would only slow the next one; after the last one a batch may be closed."""
        self._untold.set()
        if self._idle.is_set():
            self._tell_steward()

    def _tell_steward(self) -> None:
        """If something was archived since it was told last."""
        if not self._untold.is_set():
            return
        self._untold.clear()
        self._steward_wake.set()
        if is_local(self._spool.root):
            self._knock()

    def _knock(self) -> None:
        """The steward may be another process of this machine, which watches that folder."""
        try:
            self._spool.ops.refresh(self._spool.layout.incoming)
        except OSError as error:
            _log.debug("no hint to the steward: %s", error)

    def _problems(self) -> list[str]:
        found = [self._trouble, self._slot_trouble, self._uploader.trouble, self._guard.owner.trouble]
        found.append(self._abilities.trouble)
        if self._scratch.full():
            free, least = (size >> 20 for size in (self._scratch.free_bytes(), self._scratch.min_free_bytes))
            end = f"no more jobs are taken until {least} MiB are free"
            found.append(f"{self._scratch.path} has only {free} MiB left: {end}")
        if self._lease.lost:
            found.append("the node's lease was lost: no more jobs are taken until it is regained")
        return [text for text in found if text]

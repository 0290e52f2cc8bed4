"""The threads that take jobs and run them: one for each job, and one that looks for more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event, Lock, Thread

from nodewatch.inheritance import Progress, Resumed
from nodewatch.ledger import Ledger
from nodewatch.queue import Claimed, Queue
from nodewatch.setbacks import Stopping
from nodewatch.slot import Slot


@dataclass(frozen=True, slots=True)
class Work:
    """Where jobs come from: ``take`` claims one, or waits for a hint and returns None.

    ``rest`` is told what has run. One thread at a time calls either; ``wake`` ends the wait of ``take``.
    After ``stop`` no more are taken; after ``requeue`` neither, and what was begun is given back.
    """

    make_slot: Callable[[], Slot]
    take: Callable[[], Claimed | None]
    rest: Callable[[Slot], None]
    wake: Callable[[], None]
    stop: Event
    requeue: Event


class Workers:
    """``work`` once; ``slots`` may be asked by any thread."""

    def __init__(self, work: Work, queue: Queue, ledger: Ledger) -> None:
        self._work, self._queue, self._ledger = work, queue, ledger
        self._turn, self._lock = Lock(), Lock()
        self._slots: tuple[Slot, ...] = ()
        self._threads: list[Thread] = []
        self._looking = 0
        self._later: list[Claimed] = []
        self._left_running = False

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Those that have a job."""
        return self._slots

    def work(self, resumed: Iterable[Resumed]) -> bool:
        """Run ``resumed`` jobs and new ones until told to stop; whether something goes on without us."""
        for one in resumed:
            self._resume(one.claimed, one.progress)
        self._take_turns()
        while self._work.requeue.is_set() and self._later:
            # A slot gives back what it shall not begin.
            self._run(self._later.pop(), resume=True)
        for thread in self._threads:
            thread.join()
        return self._left_running or bool(self._later)

    def _resume(self, claimed: Claimed, progress: Progress) -> None:
        self._ledger.restore(claimed.key, claimed.grant, claimed.job.resources.time_s)
        if progress is Progress.CLAIMED:
            self._later.append(claimed)
            return
        if progress is Progress.BUILDING:
            self._queue.note_building(claimed)
        self._start(lambda: self._run(claimed, resume=True))

    def _start(self, target: Callable[[], None]) -> None:
        thread = Thread(target=target, name=f"worker-{len(self._threads) + 1}", daemon=True)
        self._threads = [*(one for one in self._threads if one.is_alive()), thread]
        thread.start()

    def _take_turns(self) -> None:
        while not self._ended():
            claimed, resume = self._next()
            if claimed:
                self._run(claimed, resume)

    def _ended(self) -> bool:
        return self._work.stop.is_set() or self._work.requeue.is_set()

    def _next(self) -> tuple[Claimed | None, bool]:
        with self._lock:
            self._looking += 1
        with self._turn:
            claimed, resume = None, False
            if not self._ended():
                claimed = self._next_of_earlier()
                resume = claimed is not None
                claimed = claimed or self._work.take()
            with self._lock:
                self._looking -= 1
                alone = not self._looking
            if claimed and alone and not claimed.grant.whole:
                self._start(self._take_turns)
        return claimed, resume

    def _next_of_earlier(self) -> Claimed | None:
        """What an earlier daemon claimed and didn't begin, unless its batch is being built here."""
        for claimed in self._later:
            if not self._queue.is_building(claimed.ref.key):
                self._later.remove(claimed)
                self._queue.note_building(claimed)
                return claimed
        return None

    def _run(self, claimed: Claimed, resume: bool) -> None:
        slot = self._work.make_slot()
        with self._lock:
            self._slots = (*self._slots, slot)
        try:
            (slot.resume if resume else slot.run)(claimed)
        except Stopping:
            # It is still ours, and shown as that.
            self._left_running = True
            return
        finally:
            self._queue.built(claimed.key)
        with self._lock:
            self._slots = tuple(one for one in self._slots if one is not slot)
            others_look = bool(self._looking)
        self._ledger.release(claimed.key)
        if others_look:
            self._work.wake()
        with self._turn:
            self._work.rest(slot)

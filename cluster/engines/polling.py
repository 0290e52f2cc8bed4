"""One question to a queue for all jobs that wait, however many they are and whoever asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

from cluster import logme
from cluster.engines.protocol import Poll

_NEVER = float("-inf")


class SharedPoll:
    """Asks about all watched jobs at once, at most every ``every_s`` seconds.

    A thread of its own asks, so that a queue that hangs holds up nobody longer than he wants to wait.
    """

    def __init__(
        self,
        ask: Callable[[Collection[str]], Poll],
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every_s = every_s
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._watched: set[str] = set()
        self._last = Poll(True)
        self._last_at = _NEVER
        self._pending: Future[Poll] | None = None

    def watch(self, job_ids: Collection[str]) -> None:
        """Ask about these, too, from now on."""
        with self._lock:
            self._watched.update(job_ids)

    def forget(self, job_ids: Collection[str]) -> None:
        """Ask no longer about these."""
        with self._lock:
            self._watched.difference_update(job_ids)

    def look(self, within_s: float | None = None) -> Poll:
        """The newest answer; if it is older than ``every_s``, a new one, awaited for ``within_s`` seconds.

        If that doesn't come in time, nothing is said of any job.
        """
        with self._lock:
            if self._pending is None:
                if self._clock() - self._last_at < self.every_s:
                    return self._last
                self._pending = self._start(frozenset(self._watched))
            pending = self._pending
        try:
            return pending.result(within_s)
        except NotYet:
            return Poll(True)

    def _start(self, job_ids: frozenset[str]) -> Future[Poll]:
        future: Future[Poll] = Future()
        threading.Thread(target=self._run, args=(job_ids, future), name="queue poll", daemon=True).start()
        return future

    def _run(self, job_ids: frozenset[str], future: Future[Poll]) -> None:
        try:
            poll = self._ask(job_ids)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the answer
            with self._lock:
                self._pending = None
            future.set_exception(error)
            return
        with self._lock:
            if self._last.answered and not poll.answered:
                logme.log(f"{poll.why}; asking again every {self.every_s:g} s", "warn")
            self._last, self._last_at, self._pending = poll, self._clock(), None
        future.set_result(poll)

"""Watches over the running processes: pause, resume, stop, and an end when their time is over. Never touches
the spool, which may hang.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import list_attempts
from nodewatch.folders import remove
from nodewatch.owner.policy import Aside, Stance
from nodewatch.process import (
    Limits,
    PauseState,
    Run,
    Touch,
    Usage,
    adopt,
    pause,
    peek,
    read_exit,
    resume,
    stop,
)
from nodewatch.scratch import Scratch
from nodewatch.timekeeping import TimeKeeper

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.25
_MOST_CONTENT_BYTES = 4096
_NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class PauseView:
    """A pause as others see it: until when (Unix seconds), by which door, with what note."""

    until: float
    by: str
    note: str


class Supervisor:
    """The runs of this node and whether they are paused.

    There are two doors: a ``pause`` file in the scratch folder, which this thread looks at itself, and one
    in the spool, which ``see_spool_pause`` is told of. A third is no file: the machine's owner, or the
    schedule by which they lend it, of which ``step_aside`` is told.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._lock = Lock()
        self._runs: dict[str, Run] = {}
        self._keepers: dict[str, TimeKeeper] = {}
        self._paused: set[str] = set()
        self._earlier: set[str] = set()
        self._here, self._spool = _restore(scratch.pause_record)
        self._aside = Aside()
        self._spent_s, self._most_spent_s = 0.0, 0.0
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def adopt_earlier(self) -> None:
        """Watch over what runs here already, until somebody adds it or it ends. Before ``start``.

        How long it may run isn't known yet, but for how long it is paused meanwhile is kept.
        """
        for folder in list_attempts(self._scratch.runs):
            for run_dir in (folder.path, folder.build):
                run = adopt(run_dir)
                if run:
                    key = str(run.run_dir)
                    self.add(key, run)
                    self.adopt_paused(key)
                    self._earlier.add(key)

    def add(self, key: str, run: Run, limits: Limits = _NO_LIMITS) -> None:
        """Watch over a run from now on; a pause that is in force stops it at the next look.

        It is ended when it has run for ``limits.time_s``; the other limits are its runner's.
        """
        with self._lock:
            self._let_go(str(run.run_dir))
            self._runs[key] = run
            self._keepers[key] = TimeKeeper(run, limits, time.monotonic())

    def remove(self, key: str) -> None:
        """The run has ended."""
        with self._lock:
            run = self._runs.pop(key, None)
            self._keepers.pop(key, None)
            self._paused.discard(key)
            self._spent_s += _cpu_s(run) if run else 0.0

    def _let_go(self, key: str) -> None:
        """Of a run that was adopted before anybody asked for it."""
        if key in self._earlier:
            self._earlier.discard(key)
            self._paused.discard(key)
            self._keepers.pop(key, None)
            self._runs.pop(key).close()

    def end(self, key: str, reason: str) -> None:
        """Ask the runner of this run, if it goes on, to end it."""
        with self._lock:
            run = self._runs.get(key)
            if run is not None:
                stop(run, reason)

    def usage(self, key: str) -> Usage | None:
        """What the run uses now; None if there is no such run."""
        with self._lock:
            run = self._runs.get(key)
            return peek(run) if run else None

    def spent_s(self) -> float:
        """CPU seconds that the runs have used, those included that have ended; never less than before."""
        with self._lock:
            spent_s = self._spent_s + sum(peek(run).cpu_s for run in self._runs.values())
            self._most_spent_s = max(self._most_spent_s, spent_s)
            return self._most_spent_s

    def step_aside(self, aside: Aside) -> None:
        """Told what the machine's owner or its schedule wants from now on."""
        with self._lock:
            self._aside = aside

    @property
    def holding(self) -> str:
        """Why no more jobs are taken though nothing is paused; empty if they are."""
        aside = self._aside
        return aside.why if aside.stance is Stance.HOLD else ""

    @property
    def evicting(self) -> str:
        """Why the jobs here have to be given back; empty if they haven't."""
        aside = self._aside
        return f"{aside.by}: {aside.why}" if aside.stance is Stance.EVICT else ""

    def paused(self) -> PauseView | None:
        """The pause that is in force, the longest one of all doors."""
        now_s, clock_s = time.monotonic(), time.time()
        with self._lock:
            doors, aside = [(self._here, "scratch"), (self._spool, "spool")], self._aside
        views = [
            PauseView(clock_s + state.until_s - now_s, by, state.note)
            for state, by in doors
            if state.until_s is not None and state.pauses(now_s)
        ]
        if aside.stance.pauses:
            views.append(PauseView(aside.until or _open_end(clock_s), aside.by, aside.why))
        return max(views, key=lambda view: view.until, default=None)

    def see_spool_pause(self, touch: Touch | None) -> bool:
        """Told what stands in the spool's pause file; True if its time is over and it should be removed."""
        now_s = time.monotonic()
        with self._lock:
            before = self._spool
            self._spool = before.observe(touch, now_s)
            if self._spool != before:
                self._record()
            return touch is not None and not self._spool.pauses(now_s)

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            try:
                over = self._look()
                try:
                    self._apply()
                finally:
                    # At once: the next daemon must know of a pause, however soon this one dies.
                    self._keep_time()
                if over:
                    # Last, whatever it is: what can't be removed must not keep the processes stopped.
                    remove(self._scratch.pause)
                    _log.info("the pause is over")
            except (OSError, DistributeError) as error:
                _log.error("supervision: %s", error)

    def _look(self) -> bool:
        """Returns whether the pause file in scratch has served its time."""
        now_s = time.monotonic()
        touch = read_touch(self._scratch.pause)
        with self._lock:
            before = self._here
            self._here = before.observe(touch, now_s)
            if self._here != before:
                self._record()
            return touch is not None and not self._here.pauses(now_s)

    def _apply(self) -> None:
        wanted = self.paused() is not None
        with self._lock:
            for ended in [key for key in self._earlier if not self._runs[key].alive()]:
                self._spent_s += _cpu_s(self._runs[ended])
                self._let_go(ended)
            # RACE: a run is closed only after ``remove``, which waits for this lock.
            for key, run in self._runs.items():
                if wanted:
                    # Every time: a process that was being forked may have slipped through.
                    pause(run)
                    self._paused.add(key)
                elif key in self._paused:
                    resume(run)
                    self._paused.discard(key)

    def _keep_time(self) -> None:
        """End the runs whose time is over; time stands still while they are stopped."""
        now_s = time.monotonic()
        with self._lock:
            for key, run in self._runs.items():
                reason = self._keepers[key].look(key in self._paused, now_s)
                if reason:
                    _log.warning("%s: %s", key, reason)
                    stop(run, reason)

    def adopt_paused(self, key: str) -> None:
        """A run whose processes an earlier daemon may have stopped."""
        self._paused.add(key)

    def _record(self) -> None:
        now_s, clock_s = time.monotonic(), time.time()
        lines = [state.to_json(now_s, clock_s) for state in (self._here, self._spool)]
        private = self._scratch.pause_record.with_suffix(".new")
        private.write_text("\n".join(lines))
        private.replace(self._scratch.pause_record)


def read_touch(path: Path) -> Touch | None:
    """The pause file as it is now; None if there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        # A link, or unreadable: who made it wants quiet all the same.
        info = path.lstat()
        return Touch(info.st_ino, info.st_mtime_ns, "")
    try:
        info = os.fstat(handle)
        content = os.read(handle, _MOST_CONTENT_BYTES) if _is_file(info) else b""
        return Touch(info.st_ino, info.st_mtime_ns, content.decode(errors="replace"))
    finally:
        os.close(handle)


def _open_end(clock_s: float) -> float:
    """An end for a pause that has none: always an hour ahead or more, and another one only once an hour."""
    return (clock_s // 3600 + 2) * 3600


def _cpu_s(run: Run) -> float:
    """What an ended run has used; what it uses still if its end isn't known."""
    ended = read_exit(run.run_dir)
    return ended.user_cpu_s + ended.system_cpu_s if ended else peek(run).cpu_s


def _is_file(info: os.stat_result) -> bool:
    return (info.st_mode & 0o170000) == 0o100000


def _restore(record: Path) -> tuple[PauseState, PauseState]:
    """What the daemon before this one knew; a record that can't be read counts as none."""
    now_s, clock_s = time.monotonic(), time.time()
    try:
        here, spool = (PauseState.from_json(text, now_s, clock_s) for text in record.read_text().splitlines())
    except FileNotFoundError:
        return PauseState(), PauseState()
    except ValueError as error:
        _log.warning("%s is ignored: %s", record, error)
        return PauseState(), PauseState()
    return here, spool

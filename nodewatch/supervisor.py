"""Watches over the running processes: pause, resume, stop, and an end when their time is over. Never touches
the spool, which may hang.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Event, Lock, Thread

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import list_attempts
from nodewatch.doors import PauseView, job_of, longest, open_end, read_touch, restore
from nodewatch.evicting import EVICTED, Checkpoint
from nodewatch.folders import remove, replace_text
from nodewatch.owner.policy import Aside, Stance
from nodewatch.process import Limits, Run, Touch, Usage, adopt, peek, read_exit
from nodewatch.scratch import Scratch
from nodewatch.steering import SteeredRun

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.25
_NO_LIMITS = Limits()


class Supervisor:
    """The runs of this node, by ``NAMESPACE/BATCH/TICKET``, and whether they are paused.

    There are two doors: a ``pause`` file in the scratch folder, which this thread looks at itself, and one
    in the spool, which ``see_spool_pause`` is told of. A third is no file: the machine's owner, or the
    schedule by which they lend it, of which ``step_aside`` is told. With ``evict`` what a pause hits isn't
    stopped: it is given time to save what it has, and ended. So is everything while ``evicting`` says why.
    """

    def __init__(self, scratch: Scratch, evict: bool = False) -> None:
        self._scratch, self._evict = scratch, evict
        self._lock = Lock()
        self._runs: dict[str, SteeredRun] = {}
        self._adopted: set[str] = set()
        self._earlier: set[str] = set()
        self._here, self._spool = restore(scratch.pause_record)
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

        How long it may run, and what it saves before it is evicted, isn't known yet: it is stopped only.
        """
        for folder in list_attempts(self._scratch.runs):
            key = "/".join((*folder.path.parts[-3:-1], folder.attempt_name))
            for run_dir in (folder.path, folder.build):
                run = adopt(run_dir)
                if run:
                    self.adopt_paused(key)
                    self.add(key, run)
                    self._earlier.add(key)

    def _let_go(self, run_dir: Path) -> None:
        """Of a run that was adopted before anybody asked for it."""
        for key in [key for key in self._earlier if self._runs[key].run.run_dir == run_dir]:
            self._earlier.discard(key)
            self._adopted.discard(key)
            self._runs.pop(key).run.close()

    def add(
        self, key: str, run: Run, limits: Limits = _NO_LIMITS, checkpoint: Checkpoint | None = None
    ) -> None:
        """Watch over a run from now on; a pause that is in force stops it at the next look.

        It is ended when it has run for ``limits.time_s``; the other limits are its runner's. ``checkpoint``
        is what it asks for before it is evicted.
        """
        with self._lock:
            self._let_go(run.run_dir)
            self._runs[key] = SteeredRun(run, limits, checkpoint, stopped=key in self._adopted)

    def adopt_paused(self, key: str) -> None:
        """The next run of this key is one whose processes an earlier daemon may have stopped."""
        self._adopted.add(key)

    def remove(self, key: str) -> None:
        """The run has ended."""
        with self._lock:
            steered = self._runs.pop(key, None)
            self._adopted.discard(key)
            self._spent_s += _cpu_s(steered.run) if steered else 0.0

    def end(self, key: str, reason: str) -> None:
        """Ask the runner of this run, if it goes on, to end it."""
        with self._lock:
            steered = self._runs.get(key)
            if steered is not None:
                steered.end(reason)

    def usage(self, key: str) -> Usage | None:
        """What the run uses now; None if there is no such run."""
        with self._lock:
            steered = self._runs.get(key)
            return peek(steered.run) if steered else None

    def started_at(self, key: str) -> float | None:
        """When the run was started, Unix seconds; None if there is no such run."""
        with self._lock:
            steered = self._runs.get(key)
            return steered.run.started_at if steered else None

    def spent_s(self) -> float:
        """CPU seconds that the runs have used, those included that have ended; never less than before."""
        with self._lock:
            spent_s = self._spent_s + sum(peek(one.run).cpu_s for one in self._runs.values())
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
        """The pause of the whole node that is in force, the longest one."""
        return longest(view for view in self._views() if not view.targets)

    def paused_job(self, key: str) -> PauseView | None:
        """The longest pause in force that hits a job; ``key`` is ``NAMESPACE/BATCH/JOB`` or a ticket's."""
        return longest(view for view in self._views() if view.covers(job_of(key)))

    def job_pauses(self) -> list[PauseView]:
        """Those in force that are for some jobs only, which need not run here."""
        return [view for view in self._views() if view.targets]

    def barred(self) -> frozenset[str]:
        """The jobs and batches that are paused by name, so that this node shall not begin them."""
        return frozenset(target for view in self.job_pauses() for target in view.targets)

    def evicts(self, key: str) -> bool:
        """Whether the run's eviction has begun."""
        with self._lock:
            steered = self._runs.get(key)
            return steered is not None and steered.evicted

    def paused_s(self, key: str) -> float:
        """Seconds for which the run was paused so far, by daemons before this one too; it never gets less."""
        with self._lock:
            steered = self._runs.get(key)
            return steered.paused_s if steered else 0.0

    def see_spool_pause(self, touch: Touch | None) -> bool:
        """Told what stands in the spool's pause file; True if its time is over and it should be removed."""
        now_s = time.monotonic()
        with self._lock:
            before = self._spool
            self._spool = before.observe(touch, now_s, self._jobs())
            if self._spool != before:
                self._record()
            return touch is not None and not self._spool.pauses(now_s)

    def _views(self) -> list[PauseView]:
        """The pauses that are in force."""
        now_s, clock_s = time.monotonic(), time.time()
        with self._lock:
            doors, aside = [(self._here, "scratch"), (self._spool, "spool")], self._aside
        views = [
            PauseView(
                clock_s + state.until_s - now_s,
                by,
                state.note,
                state.touch.uid if state.touch else None,
                state.targets,
            )
            for state, by in doors
            if state.until_s is not None and state.pauses(now_s)
        ]
        if aside.stance.pauses:
            views.append(PauseView(aside.until or open_end(clock_s), aside.by, aside.why))
        return views

    def _jobs(self) -> list[str]:
        return sorted(map(job_of, self._runs))

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            try:
                over = self._look()
                self._apply()
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
            self._here = before.observe(touch, now_s, self._jobs())
            if self._here != before:
                self._record()
            return touch is not None and not self._here.pauses(now_s)

    def _apply(self) -> None:
        views = self._views()
        with self._lock:
            for ended in [key for key in self._earlier if not self._runs[key].run.alive()]:
                self._spent_s += _cpu_s(self._runs[ended].run)
                self._let_go(self._runs[ended].run.run_dir)
            keys = list(self._runs)
        for key in keys:
            # RACE: a run is closed only after ``remove``, which waits for this lock.
            with self._lock:
                try:
                    self._steer(key, longest(view for view in views if view.covers(job_of(key))))
                except (OSError, DistributeError) as error:
                    # One run that can't be steered must not keep the others from it.
                    _log.error("%s: %s", key, error)

    def _keep_time(self) -> None:
        """End the runs whose time is over; time stands still while they are stopped."""
        with self._lock:
            for key, steered in self._runs.items():
                reason = steered.overdue()
                if reason:
                    _log.warning("%s: %s", key, reason)
                    steered.end(reason)

    def _steer(self, key: str, pause_of_it: PauseView | None) -> None:
        steered = self._runs.get(key)
        if steered is None:
            return
        why = self._why_evict(pause_of_it)
        if key in self._earlier:
            # What it saves first isn't known yet.
            if why or pause_of_it:
                steered.stand_still()
            else:
                steered.go_on()
            return
        if why and not steered.evicted:
            _log.info("%s: %s%s", key, EVICTED, why)
            steered.evict(f"{EVICTED}{why}")
        if steered.evicted:
            steered.press_on()
        elif pause_of_it:
            steered.stand_still()
        else:
            steered.go_on()

    def _why_evict(self, pause_of_it: PauseView | None) -> str:
        if self.evicting:
            return self.evicting
        return f"paused by {pause_of_it.by}" if pause_of_it and self._evict else ""

    def _record(self) -> None:
        now_s, clock_s = time.monotonic(), time.time()
        lines = [state.to_json(now_s, clock_s) for state in (self._here, self._spool)]
        replace_text(self._scratch.pause_record, "\n".join(lines))


def _cpu_s(run: Run) -> float:
    """What an ended run has used; what it uses still if its end isn't known."""
    ended = read_exit(run.run_dir)
    return ended.user_cpu_s + ended.system_cpu_s if ended else peek(run).cpu_s

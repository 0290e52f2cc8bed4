"""What a node tells the spool while it works, and what it hears there: status, live output, kills, pauses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Event, Lock, Thread

from distribute_compute_config.errors import DistributeError
from nodewatch.config import NodeConfig
from nodewatch.doors import read_touch
from nodewatch.lease import NodeLease
from nodewatch.live_logs import LiveLogs
from nodewatch.outcomes import FENCED
from nodewatch.presence import take_away
from nodewatch.quarantine import Quarantines
from nodewatch.queue import Claimed
from nodewatch.scratch import Scratch
from nodewatch.slot import Slot, killed
from nodewatch.status import differs, keep_times, say_who, tell_pause
from nodewatch.supervisor import Supervisor
from nodewatch.uploading import Uploader
from spoold.codec import RecordError, encode
from spoold.fsops import SpoolFull
from spoold.node_records import NodeStatus, RunningJob
from spoold.snapshot import read_state, read_status
from spoold.spool import Spool
from spoold.tickets import State

_log = logging.getLogger(__name__)

#: An idle node looks once in so many ``rescan_s``.
_IDLE_ROUNDS = 4
_RUNNING = "running"


class Reporter:
    """A thread that looks at the spool, and writes to it, every ``rescan_s`` seconds.

    While there is nothing to tell it looks less often; who wants to claim asks ``hear_anew`` first.
    """

    def __init__(
        self,
        spool: Spool,
        config: NodeConfig,
        scratch: Scratch,
        lease: NodeLease,
        supervisor: Supervisor,
        uploader: Uploader,
        slots: Callable[[], Iterable[Slot]],
        quarantines: Quarantines,
        problems: Callable[[], list[str]],
    ) -> None:
        self._spool, self._config, self._scratch, self._lease = spool, config, scratch, lease
        self._supervisor, self._uploader, self._slots = supervisor, uploader, slots
        self._quarantines, self._problems = quarantines, problems
        self._folder = spool.layout.node(config.name)
        self._logs = LiveLogs(spool, scratch, config.name)
        self._seen: dict[str, float] = {}
        self._earlier: tuple[RunningJob, ...] = ()
        self._told: tuple[RunningJob, ...] = ()
        self._written: NodeStatus | None = None
        self._stop, self._stir = Event(), Event()
        self._looking, self._looked_s = Lock(), -1e9
        self._checked_s = time.monotonic()
        self._thread = Thread(target=self._run, name="reporter", daemon=True)
        self.draining = False
        self.spool_full = False

    def start(self) -> None:
        self._earlier = self._read_earlier()
        self.look()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._stir.set()
        self._thread.join(2 * self._spool.settings.rescan_s)

    def say_leaving(self) -> None:
        """After ``close``: the daemon has ended, and its jobs go on. Its lease stands, and can't tell."""
        thread = Thread(target=self._say_leaving, name="leaving", daemon=True)
        thread.start()
        # A spool that hangs keeps no daemon from ending.
        thread.join(2 * self._spool.settings.rescan_s)

    def _say_leaving(self) -> None:
        try:
            self._spool.ops.replace(self._folder.running, encode(replace(self._status(), leaving=True)))
        except (OSError, DistributeError) as error:
            _log.error("reporting: %s", error)

    def stir(self) -> None:
        """Something begins here: the next look comes after ``rescan_s``, and no later."""
        self._stir.set()

    def hear_anew(self) -> None:
        """Look at once if the last look was long ago: a pause may have come since."""
        if time.monotonic() - self._looked_s > self._spool.settings.rescan_s:
            self.look()

    def _run(self) -> None:
        rescan_s = self._spool.settings.rescan_s
        while not self._stop.wait(rescan_s):
            if self._quiet() and self._stir.wait((_IDLE_ROUNDS - 1) * rescan_s):
                # A short job isn't worth a message to the server.
                self._stop.wait(rescan_s)
            self._stir.clear()
            if not self._stop.is_set():
                self.look()

    def _quiet(self) -> bool:
        """Whether nothing is told or heard that could change any moment."""
        told = self._written
        busy = self._uploader.waiting or any(slot.claimed for slot in self._slots())
        calm = not (busy or self.draining or self.spool_full or self._lease.lost or self._supervisor.paused())
        return calm and told is not None and not (told.jobs or told.quarantines or told.troubles)

    def look(self) -> None:
        """Once: hear, then tell."""
        with self._looking:
            self._look()
            self._looked_s = time.monotonic()

    def _look(self) -> None:
        try:
            self._hear()
            self._tell()
            self._note_space(full=False)
        except SpoolFull as error:
            _log.error("%s", error)
            self._note_space(full=True)
        except (OSError, DistributeError) as error:
            _log.error("reporting: %s", error)

    # Hearing

    def _hear(self) -> None:
        if self._lease.mend():
            self._regain_lost()
            self._lease.settle()
        elif self._is_check_due():
            # RACE: a steward that stood still goes on to give back what it found to be of a dead node.
            self._regain_lost()
        names = self._spool.ops.names(self._folder.path)
        self.draining = self._folder.drain.name in names
        # Perhaps an earlier daemon's.
        self.spool_full |= self._folder.trouble.name in names
        touch = read_touch(self._folder.pause) if self._folder.pause.name in names else None
        if self._supervisor.see_spool_pause(touch):
            take_away(self._spool, self._folder.pause)
        if self._folder.clear.name in names:
            self._quarantines.lift()
            take_away(self._spool, self._folder.clear)
        for slot, claimed in self._lasting():
            reason = killed(self._spool, claimed)
            if reason is not None:
                _log.info("%s: %s", slot.key, reason)
                slot.end(claimed, reason)

    def _is_check_due(self) -> bool:
        """Whether to look at our jobs' tickets: once in ``lease_s``, while the name is surely ours."""
        now_s = time.monotonic()
        if now_s - self._checked_s < self._spool.settings.lease_s or not self._lease.is_ours():
            return False
        self._checked_s = now_s
        # An unmounted spool has no tickets either.
        return self._spool.layout.batches.is_dir()

    def _regain_lost(self) -> None:
        """Take back, or stop, the jobs that were given away while nobody heard of this node."""
        for slot in self._slots():
            claimed = slot.claimed
            if claimed is None or self._holds(claimed):
                continue
            if slot.take_over(claimed):
                _log.warning("%s goes on as the next attempt", slot.key)
            else:
                _log.warning("%s: %s", slot.key, FENCED)
                slot.end(claimed, FENCED)

    def _holds(self, claimed: Claimed) -> bool:
        folder = claimed.ref.folder
        if claimed.ticket in read_state(self._spool, folder, State.CLAIMED):
            return True
        # NFS 3 may hide a name until its folder changes.
        self._spool.ops.refresh(folder.state(State.CLAIMED))
        return claimed.ticket in read_state(self._spool, folder, State.CLAIMED)

    def _lasting(self) -> list[tuple[Slot, Claimed]]:
        """What was here at the last look too: a short job isn't worth a message to the server."""
        now = {slot.key: (slot, claimed) for slot in self._slots() if (claimed := slot.claimed)}
        lasting = [there for key, there in now.items() if key in self._seen]
        self._seen = {key: self._seen.get(key, time.time()) for key in now}
        return lasting

    # Telling

    def _tell(self) -> None:
        self._logs.copy([claimed for slot in self._slots() if (claimed := slot.claimed)])
        status = self._status()
        self._told = status.jobs
        if self._written is None or differs(status, self._written):
            self._spool.ops.replace(self._folder.running, encode(status))
            self._written = status

    def _read_earlier(self) -> tuple[RunningJob, ...]:
        """What the daemon before this one said of its jobs, which may be ours now."""
        try:
            status = read_status(self._spool, self._config.name)
        except (OSError, RecordError) as error:
            _log.warning("it is written anew: %s", error)
            return ()
        return status.jobs if status else ()

    def _status(self) -> NodeStatus:
        pause = self._supervisor.paused()
        return NodeStatus(
            written_at=time.time(),
            jobs=keep_times(self._jobs(), (*self._earlier, *self._told)),
            paused_until=None if pause is None else round(pause.until),
            paused_by="" if pause is None else say_who(pause),
            draining=self.draining,
            troubles=tuple(self._problems()),
            quarantines=self._quarantines.standing(),
            holding=self._supervisor.holding,
            pauses=tuple(map(tell_pause, self._supervisor.job_pauses())),
            scratch_full=self._scratch.full(),
        )

    def _jobs(self) -> list[RunningJob]:
        jobs = []
        for slot in self._slots():
            claimed, phase = slot.claimed, slot.phase
            if claimed is None:
                continue
            usage, now = self._supervisor.usage(slot.key), time.time()
            pause = self._supervisor.paused_job(slot.key) if usage else None
            if self._supervisor.evicts(slot.key):
                pause, phase = None, "evicting"
            jobs.append(
                RunningJob(
                    claimed.ref.namespace,
                    claimed.ref.batch,
                    claimed.ticket.job,
                    claimed.ticket.attempt,
                    "paused" if pause else phase or "preparing",
                    self._seen.get(slot.key, now),
                    round(usage.cpu_s, 1) if usage else 0.0,
                    usage.memory_bytes if usage else 0,
                    now,
                    len(claimed.grant.cores),
                    len(claimed.grant.gpus),
                    None if pause is None else round(pause.until),
                    "" if pause is None else say_who(pause),
                    self._supervisor.started_at(slot.key) if phase == _RUNNING else None,
                )
            )
        for upload in self._uploader.waiting:
            ref, ticket = upload.claimed.ref, upload.ticket
            at = upload.ended.ended_at
            who = (ref.namespace, ref.batch, ticket.job, ticket.attempt)
            jobs.append(RunningJob(*who, "uploading", since=at, phase_since=at))
        return jobs

    def _note_space(self, full: bool) -> None:
        """An empty file can be made on a full disk, when a record can't."""
        if full == self.spool_full:
            return
        self.spool_full = full
        try:
            if full:
                self._spool.ops.create(self._folder.trouble)
            else:
                self._spool.ops.unlink(self._folder.trouble)
        except FileExistsError:
            return
        except OSError as error:
            _log.error("%s: %s", self._folder.trouble, error)

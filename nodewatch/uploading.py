"""Brings results from this node's disk to the archive, several at a time, while the next job runs.

Results that wait are staged together, and one flush serves all of them before the first is published. What
was published stays on this node's disk until its renames are flushed too: by the flush of the next group, or
by one of their own if none comes soon.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import Thread

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import AttemptFolder
from nodewatch.outcomes import (
    Ending,
    Next,
    Setback,
    count_losses,
    decide,
    judge,
    make_record,
    may_resume,
    set_back,
)
from nodewatch.process import ExitRecord
from nodewatch.queue import Claimed
from nodewatch.takeover import take_over
from spoold.claims import back_off, give_back
from spoold.losses import Loss, note_loss, read_losses
from spoold.publication import Result, count_errors, discard, finish, keep_attempt, publish, stage
from spoold.records import Outcome
from spoold.saves import keep_save, saved_files
from spoold.snapshot import BatchRef, read_state
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_log = logging.getLogger(__name__)

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
#: How long what was published waits for the next group's flush.
_SETTLE_S = 0.2
_MOST_AT_ONCE = 64


class NameLost(DistributeError):
    """What is claimed now in the node's name may be another daemon's."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An attempt that has ended; ``lost`` says why, if that was through no fault of the job."""

    claimed: Claimed
    folder: AttemptFolder
    ended: ExitRecord
    lost: Setback | None = None

    @property
    def key(self) -> str:
        return f"{self.claimed.ref.key}/{self.ticket}"

    @property
    def ticket(self) -> Ticket:
        return self.claimed.ticket


class Uploader:
    """A thread with a queue. What it was given and didn't finish is found on disk by the next daemon."""

    def __init__(
        self,
        spool: Spool,
        node: str,
        on_done: Callable[[], None],
        may_claim: Callable[[], bool] = lambda: True,
    ) -> None:
        """``may_claim``: whether the node's name is surely ours, and what it claims too."""
        self._spool, self._node, self._on_done = spool, node, on_done
        self._may_claim = may_claim
        self._queue: SimpleQueue[Upload | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="uploader", daemon=True)
        self._published: list[AttemptFolder] = []
        self._settle_s = _SETTLE_S
        self.trouble = ""
        self.waiting: tuple[Upload, ...] = ()

    def start(self) -> None:
        self._thread.start()

    def put(self, upload: Upload) -> None:
        self._queue.put(upload)

    def close(self, within_s: float) -> None:
        """Finish what can be finished within that time."""
        self._queue.put(None)
        self._thread.join(within_s)
        self._flush_here(self.waiting)

    def _run(self) -> None:
        """New results at once; those that can't be archived now are tried again, and hold up no other."""
        left: list[Upload] = []
        wait_s, due_s = _FIRST_WAIT_S, 0.0
        while (new := self._next_group(self._patience_s(left, due_s))) is not None:
            self.waiting = (*new, *left)
            busy = bool(self.waiting)
            failed = self._upload(new, again=False) if new else []
            if left and time.monotonic() >= due_s:
                left = self._upload(left, again=True)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                due_s = time.monotonic() + wait_s
            elif failed and not left:
                due_s = time.monotonic() + wait_s
            self._flush_here(failed)
            left += failed
            self.waiting = tuple(left)
            if not new:
                self._settle()
            if busy and not left:
                wait_s, self.trouble = _FIRST_WAIT_S, ""
                self._on_done()
        self._settle()

    def _patience_s(self, left: list[Upload], due_s: float) -> float | None:
        """How long the next group may keep those waiting that came before; None if there are none."""
        waits_s = [due_s - time.monotonic()] * bool(left) + [self._settle_s] * bool(self._published)
        return min(waits_s, default=None)

    def _settle(self) -> None:
        """Flush what was published, if no later group did."""
        if not self._published:
            return
        try:
            self._flush()
            self._settle_s = _SETTLE_S
        except OSError as error:
            self._settle_s = min(2 * self._settle_s, _LONGEST_WAIT_S)
            _log.error("can't flush what was published: %s; trying again", error)

    def _flush(self) -> None:
        """Then what was published before needs no copy on this disk any more. Raises OSError."""
        self._spool.ops.flush()
        published, self._published = self._published, []
        for folder in published:
            try:
                folder.remove()
            except OSError as error:
                self._published.append(folder)
                _log.error("%s can't be removed: %s; trying again", folder.path, error)

    def _next_group(self, within_s: float | None) -> list[Upload] | None:
        """All that wait, at least one unless ``within_s`` passes; None when told to end."""
        group: list[Upload] = []
        try:
            upload = self._queue.get(timeout=None if within_s is None else max(within_s, 0.0))
            while upload and len(group) < _MOST_AT_ONCE:
                group.append(upload)
                upload = self._queue.get_nowait()
        except Empty:
            return group
        if not group:
            return None
        # For the next round, be it the end.
        self._queue.put(upload)
        return group

    def _upload(self, group: list[Upload], again: bool) -> list[Upload]:
        """One try; returns what must be tried again."""
        staged, left = [], []
        for upload in group:
            try:
                if again and self._was_published(upload):
                    continue
                staged.append((upload, self._stage(upload)))
            except (OSError, DistributeError) as error:
                self._complain(upload, error)
                left.append(upload)
        try:
            self._flush()
        except OSError as error:
            self._complain(group[0], error)
            return left + [upload for upload, _ in staged]
        for upload, ending in staged:
            try:
                left += self._deliver(upload, ending)
            except (OSError, DistributeError) as error:
                self._complain(upload, error)
                left.append(upload)
        return left

    def _flush_here(self, waiting: Iterable[Upload]) -> None:
        """What waits for the spool must outlive a restart of this machine too."""
        for upload in waiting:
            try:
                upload.folder.flush()
            except OSError as error:
                _log.error("%s: %s", upload.folder.path, error)

    def _was_published(self, upload: Upload) -> bool:
        """Finish what an earlier try published, if it did: after the fence a result is never staged anew."""
        ref, ticket = upload.claimed.ref, upload.ticket
        if ticket not in read_state(self._spool, ref.folder, State.PUBLISHING):
            return False
        finish(self._spool, ref.folder, ref.namespace, ref.batch, ticket)
        self._published.append(upload.folder)
        return True

    def _stage(self, upload: Upload) -> Ending:
        lost = upload.lost or set_back(upload.ended, upload.folder.evicted())
        ending = judge(upload.ended, lost)
        if ending.lost:
            ending = count_losses(ending, upload.ticket, read_losses(self._spool, upload.claimed.ref.folder))
        if ending.lost and not may_resume(ending, upload.claimed.job):
            return ending
        if upload.lost:
            upload.folder.complete()
        record = make_record(upload.claimed, upload.ended, ending)
        folder = upload.folder
        result = Result(record, upload.ticket, folder.stdout, folder.stderr, folder.save)
        staged = stage(self._spool, result)
        if not ending.lost:
            return ending
        if any(saved_files(staged)):
            return replace(ending, saved=True)
        # An earlier save is worth more than an empty one.
        discard(self._spool, record.namespace, record.batch, upload.ticket)
        return ending

    def _plan(self, upload: Upload, ending: Ending) -> Next:
        if ending.outcome is Outcome.DONE or ending.lost:
            return decide(ending, 0, 0)
        ref = upload.claimed.ref
        kept = count_errors(self._spool, ref.namespace, ref.batch, upload.ticket)
        return decide(ending, kept, upload.claimed.job.retries)

    def _deliver(self, upload: Upload, ending: Ending) -> list[Upload]:
        """The last step; returns what has become another attempt, and must be staged as such."""
        ref, ticket = upload.claimed.ref, upload.ticket
        plan = self._plan(upload, ending)
        match plan:
            case Next.PUBLISH:
                counts = self._publish(ref, ticket, ending.outcome)
                # An ending that isn't a success is better tried again.
                later = self._take_over(upload) if not counts and ending.outcome is Outcome.DONE else None
                if later:
                    return [later]
            case Next.RETRY:
                counts = self._keep(ref, ticket)
            case Next.GIVE_BACK:
                counts = self._give_back(ref, ticket, ending)
        what = ending.outcome.value if counts else "void: the job was given to another node"
        _log.info("%s %s %s", upload.key, what, ending.reason)
        if counts and plan is Next.PUBLISH:
            self._published.append(upload.folder)
        else:
            # Its next attempt may be taken here, where there is no place for two.
            upload.folder.remove()
        return []

    def _take_over(self, upload: Upload) -> Upload | None:
        ref, ticket = upload.claimed.ref, upload.ticket
        if not self._may_claim():
            raise NameLost("the node's lease isn't ours now", "another daemon may claim jobs under its name")
        taken = take_over(self._spool, ref, ticket, self._node, upload.folder)
        if taken is None:
            return None
        _log.warning("%s: its result counts as attempt %d", upload.key, taken.attempt)
        return replace(upload, claimed=replace(upload.claimed, ticket=taken))

    def _publish(self, ref: BatchRef, ticket: Ticket, outcome: Outcome) -> bool:
        if publish(self._spool, ref.folder, ticket):
            finish(self._spool, ref.folder, ref.namespace, ref.batch, ticket, staged=outcome)
            return True
        discard(self._spool, ref.namespace, ref.batch, ticket)
        return False

    def _keep(self, ref: BatchRef, ticket: Ticket) -> bool:
        if ticket not in read_state(self._spool, ref.folder, State.CLAIMED):
            discard(self._spool, ref.namespace, ref.batch, ticket)
            return False
        keep_attempt(self._spool, ref.namespace, ref.batch, ticket)
        again = back_off if self._spool.settings.retry_wait_s else give_back
        return again(self._spool, ref.folder, ticket) is not None

    def _give_back(self, ref: BatchRef, ticket: Ticket, ending: Ending) -> bool:
        if ticket not in read_state(self._spool, ref.folder, State.CLAIMED):
            # It was given back before: that is noted already, and its batch may have been closed since.
            if ending.saved:
                discard(self._spool, ref.namespace, ref.batch, ticket)
            return False
        if ending.saved:
            keep_save(self._spool, ref.namespace, ref.batch, ticket)
        if ending.lost and ending.lost.cause:
            note_loss(self._spool, ref.folder, Loss(ticket, ending.lost.cause), ending.reason)
        return give_back(self._spool, ref.folder, ticket) is not None

    def _complain(self, upload: Upload, error: Exception) -> None:
        self.trouble = f"the result of {upload.key} can't be archived: {str(error).splitlines()[0]}"
        _log.error("%s; trying again", self.trouble)

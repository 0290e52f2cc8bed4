"""What an earlier daemon of this node left: it is finished, gone on with, given back, or dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import AttemptFolder, list_attempts
from nodewatch.capacity import Capacity, Grant, whole_grant
from nodewatch.outcomes import FENCED
from nodewatch.process import adopt, stop, sweep, was_started
from nodewatch.queue import Claimed
from nodewatch.scratch import Scratch
from nodewatch.takeover import take_over
from nodewatch.uploading import Upload
from spoold.claims import give_back
from spoold.codec import RecordError
from spoold.losses import Loss, LossCause, note_loss
from spoold.publication import finish
from spoold.snapshot import BatchRef, read_header, read_jobs, read_state
from spoold.spool import Spool
from spoold.tickets import State, Ticket

_log = logging.getLogger(__name__)


class Progress(Enum):
    """How far an earlier daemon came with a job."""

    CLAIMED = "claimed"
    BUILDING = "building"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Resumed:
    """A job to go on with."""

    claimed: Claimed
    progress: Progress


class Inheritance:
    """``take`` it once, at the start, while the node's lease is held and nothing new is claimed."""

    def __init__(
        self, spool: Spool, node: str, scratch: Scratch, capacity: Capacity, upload: Callable[[Upload], None]
    ) -> None:
        self._spool, self._node, self._scratch, self._upload = spool, node, scratch, upload
        self._capacity = capacity

    def take(self, batches: dict[str, BatchRef]) -> list[Resumed]:
        """Returns what to go on with. Raises OSError or SpoolFull."""
        self._take_over(batches)
        resumed: list[Resumed] = []
        mine: set[str] = set()
        for ref in batches.values():
            self._finish_published(ref)
            for ticket in read_state(self._spool, ref.folder, State.CLAIMED):
                if ticket.node == self._node:
                    mine.add(f"{ref.key}/{ticket.attempt_name}")
                    resumed += self._take_up(ref, ticket)
        self._drop_others(mine)
        return resumed

    def _take_over(self, batches: dict[str, BatchRef]) -> None:
        """Make jobs ours again that were given back while no daemon was here, and that nobody has begun."""
        for folder in list_attempts(self._scratch.runs):
            ref = batches.get("/".join(folder.path.parts[-3:-1]))
            if ref is None or not _is_promising(folder):
                continue
            ticket = Ticket.parse(folder.attempt_name)
            if take_over(self._spool, ref, ticket, self._node, folder):
                _log.warning("%s/%s goes on as the next attempt", ref.key, ticket)

    def _finish_published(self, ref: BatchRef) -> None:
        for ticket in read_state(self._spool, ref.folder, State.PUBLISHING):
            if ticket.node == self._node:
                try:
                    finish(self._spool, ref.folder, ref.namespace, ref.batch, ticket)
                except DistributeError as error:
                    # The steward tries again; one result in trouble keeps no node from its work.
                    _log.error("%s/%s: %s", ref.key, ticket, error)

    def _take_up(self, ref: BatchRef, ticket: Ticket) -> list[Resumed]:
        folder = self._scratch.attempt(ref.namespace, ref.batch, ticket)
        try:
            header, jobs = read_header(self._spool, ref.folder), read_jobs(self._spool, ref.folder)
        except RecordError as error:
            _log.error("%s/%s is left as it is: %s", ref.key, ticket, error)
            return []
        spec = next((job for job in jobs.jobs if job.name == ticket.job), None) if jobs else None
        if not folder.path.exists() or header is None or spec is None:
            _log.warning("%s/%s: nothing of it is here, given back", ref.key, ticket)
            # As if the node had died: perhaps its scratch went with it.
            lost = Loss(ticket, LossCause.LOST)
            note_loss(self._spool, ref.folder, lost, f"nothing of it is left on {self._node}")
            give_back(self._spool, ref.folder, ticket)
            return []
        claimed = Claimed(ref, header, spec, ticket, self._grant(folder))
        ended = folder.exit()
        if ended and folder.save.is_dir():
            self._upload(Upload(claimed, folder, ended))
            return []
        return [Resumed(claimed, _progress(folder))]

    def _grant(self, folder: AttemptFolder) -> Grant:
        try:
            return folder.grant() or whole_grant(self._capacity)
        except ValueError as error:
            # Torn by a power failure, which also ended its processes.
            _log.warning("%s: %s", folder.path, error)
            return whole_grant(self._capacity)

    def _drop_others(self, mine: set[str]) -> None:
        """End and remove attempts that are no longer this node's. Raises OSError or SpoolFull."""
        found = {
            "/".join((*one.path.parts[-3:-1], one.attempt_name)): one
            for one in list_attempts(self._scratch.runs)
        }
        if found.keys() <= mine:
            return
        # The last thing of an earlier daemon may have been to publish one: until that is flushed, here is
        # the only copy that a power failure would leave.
        self._spool.ops.flush()
        for key, folder in found.items():
            if key in mine:
                continue
            _log.warning("%s is no longer this node's: dropped", key)
            for run_folder in (folder.path, folder.build):
                run = adopt(run_folder)
                if run:
                    with run:
                        stop(run, FENCED)
                        run.wait()
                elif run_folder.exists():
                    sweep(run_folder)
            folder.remove()


def _progress(folder: AttemptFolder) -> Progress:
    if folder.started():
        return Progress.RUNNING
    return Progress.BUILDING if was_started(folder.build) else Progress.CLAIMED


def _is_promising(folder: AttemptFolder) -> bool:
    """Whether it runs, or has ended well: anything else is better done again."""
    ended = folder.exit()
    if ended is None:
        run = adopt(folder.path)
        if run is None:
            return False
        run.close()
        return True
    return ended.exit_code == 0 and ended.kill_reason is None

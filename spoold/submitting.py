"""Submitting from Python: what ``distribute_compute_config.submit`` looks up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from distribute_compute_config.building.submission import Progress
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.loading import LoadedJobFile
from spoold.bundles import collect, drop_bundle
from spoold.following import look_for, name_drop
from spoold.polling import poll
from spoold.progress import BatchProgress, read_progress
from spoold.spool import Spool, open_spool
from spoold.tickets import State
from spoold.user_config import choose_spool


@dataclass(frozen=True, slots=True)
class Submission:
    """See ``distribute_compute_config.building.submission.Submission``."""

    namespace: str
    batch: str
    spool: Spool = field(repr=False)
    drop: Path = field(repr=False)
    admitted: bool

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.batch}"

    @property
    def results(self) -> Path:
        return self.spool.layout.archive / self.namespace / self.batch

    def look(self) -> Progress | None:
        return self._read() if self.admitted or look_for(self.spool, self.drop) else None

    def _read(self) -> Progress:
        seen = read_progress(self.spool, self.namespace, self.batch)
        if seen is None:
            raise DistributeError(
                f"there is no batch {self.key} any more", f"in {self.spool.root}", "see: distribute status"
            )
        return _count(seen)

    def wait(
        self, timeout_s: float | None = None, progress: Callable[[Progress], object] | None = None
    ) -> Progress:
        taken_in = self.admitted

        def look() -> Progress | None:
            nonlocal taken_in
            # What was taken in stays so: it needn't be looked for again.
            taken_in = taken_in or look_for(self.spool, self.drop) is not None
            seen = self._read() if taken_in else None
            if seen is not None and progress is not None:
                progress(seen)
            return seen if seen is not None and seen.closed else None

        ended = poll(look, math.inf if timeout_s is None else timeout_s)
        if ended is None:
            raise TimeoutError(f"{self.key} hasn't ended within {timeout_s:g} s; it goes on")
        return ended


def submit(loaded: LoadedJobFile, base: Path, spool: Path | None, patience_s: float) -> Submission:
    """See ``distribute_compute_config.building.submission.Submitter``."""
    opened = open_spool(choose_spool(spool, "spool= in the call"))
    refuse(opened, loaded)
    meta = loaded.jobfile.meta
    drop = drop_bundle(opened, collect(loaded, base), name_drop(f"{meta.namespace}/{meta.batch_name}"))
    fate = poll(lambda: look_for(opened, drop), patience_s, every_s=0.1)
    return Submission(meta.namespace, meta.batch_name, opened, drop, fate is not None)


def refuse(spool: Spool, loaded: LoadedJobFile) -> None:
    """Raise DistributeError if the batch has too many jobs or its name is taken.

    The steward would refuse it too; this spares copying the inputs first.
    """
    meta, jobs, most = loaded.jobfile.meta, len(loaded.jobfile.jobs), spool.settings.max_jobs
    if jobs > most:
        raise DistributeError(
            f"{loaded.source} has {jobs} jobs", f"a batch may have {most} in {spool.root}", "split it"
        )
    key = f"{meta.namespace}/{meta.batch_name}"
    if meta.batch_name in spool.ops.names(spool.layout.archive / meta.namespace):
        raise DistributeError(
            f"{key} is there already",
            "a name is used once",
            f"give this batch another batch_name, or look at the first: distribute status {key}",
        )


def _count(seen: BatchProgress) -> Progress:
    running = seen.counts.get(State.CLAIMED, 0) + seen.counts.get(State.PUBLISHING, 0)
    done, failed, cancelled = (
        seen.counts.get(state, 0) for state in (State.DONE, State.FAILED, State.CANCELLED)
    )
    # What waits is what is left: a ticket that moves during the listing may be seen nowhere.
    return Progress(seen.jobs_total - seen.ended - running, running, done, failed, cancelled, seen.closed)


if TYPE_CHECKING:
    from distribute_compute_config.building.submission import Submitter

    _submit: Submitter = submit

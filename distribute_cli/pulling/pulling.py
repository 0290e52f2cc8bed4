"""Pulling a batch: plan, then copy in parallel what isn't there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from distribute_cli.pulling.archived import ArchivedBatch, read_archive
from distribute_cli.pulling.aside import set_aside
from distribute_cli.pulling.copying import copy_file, is_present
from distribute_cli.pulling.filters import Filters
from distribute_cli.pulling.places import Place
from distribute_cli.pulling.planning import Plan, PullFile, make_plan
from distribute_cli.reports.pulled import Action, PulledFile, PullReport
from distribute_compute_config.errors import DistributeError
from spoold.spool import Spool


class Stopped(DistributeError):
    """Somebody pressed Ctrl-C while a file was copied."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to pull, where to, and how; ``workers`` files are copied at a time."""

    namespace: str
    batch: str
    save_dir: Path
    filters: Filters = Filters()
    attempts: bool = False
    dry: bool = False
    workers: int = 8

    @property
    def target(self) -> Place:
        return Place(self.save_dir, (self.namespace, self.batch))


@dataclass(frozen=True, slots=True)
class Meter:
    """Is told how many bytes there are to copy, and then those of each piece."""

    start: Callable[[int], None] = lambda total_bytes: None
    advance: Callable[[int], None] = lambda size_bytes: None


def pull(spool: Spool, wanted: Wanted, meter: Meter) -> PullReport:
    """Raises NotFound; what goes wrong with single files is in the report."""
    with ThreadPoolExecutor(wanted.workers) as executor:
        batch = read_archive(spool, wanted.namespace, wanted.batch, wanted.attempts, executor)
        return pull_batch(batch, wanted, meter, executor, batch.place)


def pull_batch(
    batch: ArchivedBatch,
    wanted: Wanted,
    meter: Meter,
    executor: ThreadPoolExecutor,
    source: Place,
    bring: Callable[[Sequence[PullFile]], None] | None = None,
) -> PullReport:
    """Copy what is wanted of a batch from ``source``, where ``bring`` puts what isn't there yet.

    With ``bring``, the meter is told by that, and a file that was copied is removed from ``source``.
    """
    plan = make_plan(batch, wanted.filters)
    aside = set_aside(batch, wanted.target, wanted.dry)
    puller = _Puller(source, wanted, (lambda size_bytes: None) if bring else meter.advance, bring is not None)
    try:
        present = list(executor.map(puller.check, plan.files))
        todo = [file for file, seen in zip(plan.files, present, strict=True) if seen is None]
        meter.start(sum(file.size_bytes for file in todo))
        if bring and todo and not wanted.dry:
            bring(todo)
        copied = dict(zip(todo, executor.map(puller.fetch, todo), strict=True))
    except KeyboardInterrupt:
        puller.stopped.set()
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    files = [seen or copied[file] for file, seen in zip(plan.files, present, strict=True)]
    return _report(wanted, batch, plan, files, aside)


@dataclass(frozen=True, slots=True)
class _Puller:
    """The work of one thread on one file."""

    source: Place
    wanted: Wanted
    advance: Callable[[int], None]
    moving: bool = False
    stopped: Event = field(default_factory=Event)

    def check(self, file: PullFile) -> PulledFile | None:
        """What is to be said of the file if it needs no copying."""
        try:
            if is_present(file, self.wanted.target, mend=not self.wanted.dry):
                return PulledFile(file.name, file.size_bytes, Action.PRESENT)
        except (DistributeError, OSError) as error:
            return _failed(file, error)
        return None

    def fetch(self, file: PullFile) -> PulledFile:
        if self.wanted.dry:
            return PulledFile(file.name, file.size_bytes, Action.WANTED)
        try:
            copy_file(file, self.source, self.wanted.target, self._advance)
            if self.moving:
                self.source.path.joinpath(*file.parts).unlink()
        except (DistributeError, OSError) as error:
            return _failed(file, error)
        return PulledFile(file.name, file.size_bytes, Action.COPIED)

    def _advance(self, size_bytes: int) -> None:
        if self.stopped.is_set():
            raise Stopped("pulling was stopped")
        self.advance(size_bytes)


def _failed(file: PullFile, error: DistributeError | OSError) -> PulledFile:
    if isinstance(error, DistributeError):
        return PulledFile(file.name, file.size_bytes, Action.FAILED, str(error))
    return PulledFile(file.name, file.size_bytes, Action.FAILED, f"{file.name}: {error.strerror or error}")


def _report(
    wanted: Wanted, batch: ArchivedBatch, plan: Plan, files: list[PulledFile], aside: list[str]
) -> PullReport:
    return PullReport(
        wanted.namespace,
        wanted.batch,
        str(wanted.target.path),
        wanted.dry,
        len(batch.jobs),
        tuple(files),
        batch.missing,
        tuple(aside),
        tuple(str(error) for error in (*batch.broken, *plan.refused)),
    )

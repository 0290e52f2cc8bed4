"""A look at a whole spool, and a second one where something seemed wrong: a living spool is in motion."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spoold.checking.batches import judge_batch
from spoold.checking.findings import Finding, Kind, MoveBatch, error, note, shell, sort_findings
from spoold.checking.legal import ADMITTED
from spoold.checking.looking import list_folder
from spoold.checking.objects import Need, Needed, Objects
from spoold.checking.places import (
    archive_alone,
    judge_incoming,
    judge_levels,
    judge_nodes,
    judge_outbox,
    judge_private,
    judge_rejected,
    judge_root,
    judge_saves,
    judge_staging,
    list_levels,
    pairs,
)
from spoold.checking.results import judge_results
from spoold.checking.sights import see_batch
from spoold.layout import BatchFolder
from spoold.spool import Spool

Key = tuple[str, str]
Progress = Callable[[int], None] | None

_SHORTEST_S, _LONGEST_S = 0.5, 10.0


def check(
    spool: Spool,
    checksums: bool = False,
    wait: Callable[[float], None] = time.sleep,
    progress: Progress = None,
) -> list[Finding]:
    """Everything in ``spool`` that isn't legal by ``spool-layout.md``, and what waits for somebody to go on.

    Nothing is changed, but for the times of folders in which tickets seem to be missing. What one look sees
    is reported only if another one sees it too, after ``wait`` was called with seconds in which daemons would
    have gone on. With ``checksums`` the store's files are read, and ``progress`` is told their bytes.
    """
    first = _Look(spool, checksums, progress).findings()
    if not first:
        return []
    wait(min(max(2 * spool.settings.rescan_s, _SHORTEST_S), _LONGEST_S))
    # Damage to a file that never changes needs no second reading of all of them.
    again = {finding.key: finding for finding in _Look(spool, False, None).findings()}
    again |= {finding.key: finding for finding in first if finding.kind is Kind.OBJECT_DAMAGED}
    return sort_findings(again[finding.key] for finding in first if finding.key in again)


@dataclass
class _Look:
    """One look. ``needed`` is known once all batches were seen, and whole unless one is ``unreadable``."""

    spool: Spool
    checksums: bool
    progress: Progress
    needed: Needed = field(default_factory=dict)
    unreadable: bool = False

    def findings(self) -> list[Finding]:
        """In no order, each once."""
        layout = self.spool.layout
        found = [
            *_guard(self.spool.root, judge_root(self.spool)),
            *_guard(layout.incoming, judge_incoming(self.spool)),
            *_guard(layout.rejected, judge_rejected(self.spool)),
            *_guard(layout.tmp, judge_private(self.spool)),
            *_guard(layout.nodes, judge_nodes(self.spool)),
            *_guard(layout.outbox, judge_outbox(self.spool)),
            *_guard(layout.batches, self._batches()),
        ]
        objects = Objects(self.spool, self.needed, not self.unreadable, self.checksums, self.progress)
        found += _guard(self.spool.root / "store", objects.judge())
        return list({finding.key: finding for finding in found}.values())

    def _batches(self) -> Iterator[Finding]:
        layout = self.spool.layout
        # Live ones twice: between the first listing and the second a batch may have been reopened.
        live, ended = set(pairs(list_levels(layout.batches))), set(pairs(list_levels(layout.finished)))
        live |= set(pairs(list_levels(layout.batches)))
        archived = set(pairs(list_levels(layout.archive)))
        for root in (layout.batches, layout.finished, layout.archive):
            yield from judge_levels(root)
        for key in sorted(live | ended | archived):
            place = layout.archived_batch(*key)
            yield from _guard(place, self._batch(key, place, key in live, key in ended))
        yield from judge_staging(self.spool, live | ended)
        yield from judge_saves(self.spool, live, ended)

    def _batch(self, key: Key, archive: Path, live: bool, ended: bool) -> Iterator[Finding]:
        layout = self.spool.layout
        admitted = layout.admitted(*key)
        left = ADMITTED in (list_folder(archive) or {})
        places = [
            (layout.batch(*key), False, live),
            (layout.finished_batch(*key), True, ended),
            (BatchFolder(admitted), False, left),
        ]
        there = [(folder, finished) for folder, finished, is_there in places if is_there]
        if not there:
            yield archive_alone(archive)
        for other, _ in there[1:]:
            what = f"is a second folder of a batch that lies in {there[0][0].path}"
            keep = f"keep the right one: {shell('rm', '-r', other.path)}"
            yield error(Kind.TWO_PLACES, other.path, what, keep)
        if left and len(there) == 1:
            what = "is admitted and doesn't appear yet; the steward goes on with it"
            repair = MoveBatch(admitted, layout.batch(*key).path)
            yield note(Kind.ADMISSION_LEFT, admitted, what, repair=repair)
        for folder, finished in there:
            judged = list(self._see(key, folder, finished))
            # Of two that contradict each other nothing can be said, let alone be repaired.
            yield from judged if len(there) == 1 else ()

    def _see(self, key: Key, folder: BatchFolder, finished: bool) -> Iterator[Finding]:
        sight = see_batch(self.spool, *key, folder, finished)
        if sight is None:
            return
        self.unreadable |= sight.header.value is None or sight.jobs.value is None
        for one in sight.inputs():
            self.needed.setdefault(one.sha256, Need("/".join(key), one.name, one.size_bytes))
        yield from judge_batch(self.spool, sight)
        yield from judge_results(self.spool, sight)


def _guard(place: Path, findings: Iterable[Finding]) -> list[Finding]:
    """What can't be read is a finding itself, and doesn't hide the rest."""
    found: list[Finding] = []
    try:
        # One by one: what came before an error stays.
        for finding in findings:
            found.append(finding)
    except OSError as reason:
        path = Path(reason.filename) if isinstance(reason.filename, str) else place
        why = (reason.strerror or str(reason)).lower()
        found.append(error(Kind.UNREADABLE, path, f"can't be read: {why}", "read it as the service user"))
    return found

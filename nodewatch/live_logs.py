"""Copies of what running jobs print, in the spool, so that ``distribute logs`` works from any machine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nodewatch.queue import Claimed
from nodewatch.scratch import Scratch
from spoold.layout import NodeFolder
from spoold.spool import Spool

_MOST_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20


@dataclass(slots=True)
class _Log:
    """How much of a growing file was copied to the spool."""

    source: Path
    target: Path
    copied: int = 0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The outputs of an attempt, and since when it is known (monotonic seconds)."""

    logs: tuple[_Log, ...]
    since_s: float


class LiveLogs:
    """Used by one thread."""

    def __init__(self, spool: Spool, scratch: Scratch, node: str) -> None:
        self._spool, self._scratch = spool, scratch
        self._folder: NodeFolder = spool.layout.node(node)
        self._attempts: dict[str, _Attempt] = {}

    def copy(self, running: Iterable[Claimed]) -> None:
        """Copy what is new, of those that were here at the last look too. Raises OSError or SpoolFull."""
        now = {claimed.key: claimed for claimed in running}
        for gone in self._attempts.keys() - now.keys():
            for log in self._attempts.pop(gone).logs:
                self._spool.ops.unlink(log.target)
        for key, claimed in now.items():
            if key not in self._attempts:
                self._attempts[key] = self._find(claimed)
            attempt = self._attempts[key]
            # A short job isn't worth a message to the server.
            if time.monotonic() - attempt.since_s >= self._spool.settings.rescan_s / 2:
                for log in attempt.logs:
                    self._copy(log)

    def _find(self, claimed: Claimed) -> _Attempt:
        ref = claimed.ref
        run = self._scratch.attempt(ref.namespace, ref.batch, claimed.ticket)
        logs = (
            _Log(source, self._folder.log(ref.namespace, ref.batch, claimed.ticket, stream))
            for stream, source in (("stdout", run.stdout), ("stderr", run.stderr))
        )
        return _Attempt(tuple(logs), time.monotonic())

    def _copy(self, log: _Log) -> None:
        try:
            with open(log.source, "rb") as source:
                source.seek(log.copied)
                while log.copied < _MOST_BYTES and (piece := source.read(_PIECE_BYTES)):
                    if log.copied == 0:
                        self._begin(log)
                    self._spool.ops.append(log.target, piece)
                    log.copied += len(piece)
        except FileNotFoundError:
            # Not started yet, or just ended and uploaded: the next look knows.
            return

    def _begin(self, log: _Log) -> None:
        """An earlier daemon may have copied part of it."""
        self._spool.ops.make_folder(log.target.parent)
        self._spool.ops.unlink(log.target)

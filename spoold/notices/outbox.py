"""The outbox: one file a notice. Where it lies is its state; it leaves ``waiting/`` by one rename.

A name is never used for another notice, and those that were sent stay for a while: a steward that stood
still may put a notice that was sent long ago, and nobody is told twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from spoold.codec import RecordError, decode, encode
from spoold.notices.records import Box, Notice, is_notice_name
from spoold.spool import Spool

_log = logging.getLogger(__name__)

#: So many ended notices are kept at least, and twice as many at most.
_KEPT = {Box.SENT: 1000, Box.FAILED: 100}


def put(spool: Spool, notice: Notice) -> None:
    """Let a notice wait, unless it does already; not flushed. Raises SpoolFull or OSError."""
    ops, target = spool.ops, _path(spool, Box.WAITING, notice.name)
    # The spool may be one of an earlier version.
    ops.make_folder(spool.layout.outbox)
    ops.make_folder(target.parent)
    private = ops.private()
    try:
        ops.write_new(private, encode(notice))
        if not ops.link_new(private, target) and _is_damaged(spool, notice.name):
            # A power failure has kept its name and lost its content.
            ops.move(private, target)
    finally:
        ops.unlink(private)


def list_names(spool: Spool, box: Box) -> list[str]:
    """The names of the notices that lie there, sorted."""
    return sorted(filter(is_notice_name, spool.ops.names(spool.layout.notices(box.value))))


def read(spool: Spool, box: Box, name: str) -> Notice | None:
    """None if it isn't there (any more). Raises RecordError."""
    path = _path(spool, box, name)
    data = spool.ops.read(path)
    return None if data is None else decode(Notice, data, path)


def read_all(spool: Spool, box: Box, names: Iterable[str] | None = None) -> list[Notice]:
    """The notices of these ``names``, or all; what can't be read is logged and left out."""
    found = []
    for name in list_names(spool, box) if names is None else names:
        try:
            notice = read(spool, box, name)
        except RecordError as error:
            _log.error("%s", error)
            continue
        if notice is not None:
            found.append(notice)
    return found


def list_ended(spool: Spool) -> set[str]:
    """The names of those that were sent or given up."""
    return {name for box in _KEPT for name in list_names(spool, box)}


def note(spool: Spool, notice: Notice) -> None:
    """Keep what was tried, for whoever tries next, here or on another host."""
    # Flushed: a power failure that cut it would lose the notice.
    spool.ops.replace(_path(spool, Box.WAITING, notice.name), encode(notice), flush=True)


def end(spool: Spool, notice: Notice, box: Box) -> None:
    """It was sent, or is given up. Idempotent."""
    target = _path(spool, box, notice.name)
    spool.ops.make_folder(target.parent)
    spool.ops.move(_path(spool, Box.WAITING, notice.name), target)
    _tidy(spool, box)


def give_up(spool: Spool, notice: Notice, why: str) -> None:
    """Not everybody will be told; ``why`` stands in what is kept."""
    _log.error("%s: telling that it has ended is given up: %s", notice.key, why)
    refused = {said.partition(":")[0] for said in notice.refusals}
    told = tuple(channel for channel in notice.told if channel not in refused)
    # Whoever moves it back to ``waiting`` wants it to be tried at once.
    note(spool, replace(notice, trouble=why, told=told, refusals=(), next_at=0.0))
    end(spool, notice, Box.FAILED)


def expire(spool: Spool, notice: Notice) -> None:
    """Give up a notice that is too old."""
    if notice.matrix is None:
        # Nobody asked for it.
        drop(spool, notice.name)
        return
    why = notice.trouble or "no host that may be the steward has a notify.yaml"
    give_up(spool, notice, f"nobody could be told for a week: {why}")


def drop(spool: Spool, name: str) -> None:
    """Remove a notice that has become pointless."""
    spool.ops.unlink(_path(spool, Box.WAITING, name))


def _is_damaged(spool: Spool, name: str) -> bool:
    """Whether a notice waits there that can't be read."""
    try:
        read(spool, Box.WAITING, name)
    except RecordError:
        return True
    return False


def _tidy(spool: Spool, box: Box) -> None:
    """Seldom, and only where something is sent: an idle spool is not read for this."""
    names, kept = list_names(spool, box), _KEPT[box]
    if len(names) <= 2 * kept:
        return
    paths = [_path(spool, box, name) for name in names]
    for path in sorted(paths, key=_age)[:-kept]:
        spool.ops.unlink(path)


def _age(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def _path(spool: Spool, box: Box, name: str) -> Path:
    return spool.layout.notices(box.value) / name

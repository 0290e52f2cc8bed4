"""Reading what `distribute status` says of the whole spool: few operations a batch, none a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from distribute_cli.reading.files import read_first_line
from distribute_cli.reports.overview import (
    BatchLine,
    Overview,
    Rejection,
    WaitingDrop,
    count_latest,
    count_names,
    describe_batch,
)
from distribute_compute_config.errors import DistributeError
from spoold.access import identity_of
from spoold.drops import find_ignored, look_at
from spoold.layout import BatchFolder
from spoold.node_records import NodeStatus
from spoold.snapshot import BatchRef, list_batches, read_header, read_status, read_tickets
from spoold.spool import Spool
from spoold.tickets import TERMINAL, State, parse_tickets

FINISHED_SHOWN = 10
REJECTED_SHOWN = 5
_HELD_BY_NODES = (State.CLAIMED, State.PUBLISHING)
_REASON_SUFFIX = ".reason.txt"


def read_overview(
    spool: Spool, now: float, namespace: str | None = None, everything: bool = False
) -> Overview:
    """The spool (or one namespace) at Unix time ``now``; of finished batches the newest, or all."""
    live = [ref for ref in list_batches(spool) if namespace in (None, ref.namespace)]
    ended = [ref for ref in list_batches(spool, finished=True) if namespace in (None, ref.namespace)]
    ended_at = {ref.key: _ended_at(ref.folder) for ref in ended}
    newest = sorted(ended, key=lambda ref: ended_at[ref.key], reverse=True)
    shown = newest if everything else newest[:FINISHED_SHOWN]
    rejected = _list_rejected(spool)
    told = rejected if everything else rejected[:REJECTED_SHOWN]
    troubles: list[str] = []
    statuses = _read_statuses(spool, troubles) if live else {}
    return Overview(
        str(spool.root),
        now,
        tuple(_each(live, lambda ref: _read_live(spool, ref, statuses), troubles)),
        tuple(_each(shown, lambda ref: _read_finished(spool, ref, ended_at[ref.key]), troubles)),
        len(newest) - len(shown),
        tuple(_read_incoming(spool)),
        tuple(_read_rejected(spool, told)),
        len(rejected) - len(told),
        tuple(troubles),
    )


def _each(
    refs: list[BatchRef], read: Callable[[BatchRef], BatchLine | None], troubles: list[str]
) -> Iterator[BatchLine]:
    """One batch whose record can't be read doesn't hide the others."""
    for ref in refs:
        try:
            line = read(ref)
        except DistributeError as error:
            troubles.append(f"{error.what}: {error.why}")
            continue
        if line is not None:
            yield line


def _read_live(spool: Spool, ref: BatchRef, statuses: dict[str, NodeStatus]) -> BatchLine | None:
    names = {state: spool.ops.names(ref.folder.state(state)) for state in State}
    header = read_header(spool, ref.folder)
    if header is None:
        # RACE: it was closed after it was listed; it counts as finished from the next look on.
        return None
    counts = count_names(names)
    if counts.total != header.jobs_total:
        # Seen twice while moving on, or not at all while given back: look at each job's newest ticket.
        counts = count_latest(read_tickets(spool, ref.folder).latest())
    holders = [ticket for state in _HELD_BY_NODES for ticket in parse_tickets(names[state])]
    return describe_batch(header, counts, None, holders, statuses)


def _read_finished(spool: Spool, ref: BatchRef, ended_at: float) -> BatchLine | None:
    header = read_header(spool, ref.folder)
    if header is None:
        # RACE: it was reopened by a retry after it was listed.
        return None
    names = {state: spool.ops.names(ref.folder.state(state)) if state in TERMINAL else [] for state in State}
    return describe_batch(header, count_names(names), ended_at)


def _ended_at(folder: BatchFolder) -> float:
    """When the last ticket came to rest, by the file server's clock; 0 if the batch is gone."""
    return max(_modified_at(folder.state(state)) for state in TERMINAL)


def _modified_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def _read_statuses(spool: Spool, troubles: list[str]) -> dict[str, NodeStatus]:
    statuses = {}
    for name in spool.ops.names(spool.layout.nodes):
        try:
            status = read_status(spool, name)
        except DistributeError as error:
            troubles.append(f"{error.what}: {error.why}")
            continue
        if status is not None:
            statuses[name] = status
    return statuses


def _read_incoming(spool: Spool) -> Iterator[WaitingDrop]:
    for name in sorted(spool.ops.names(spool.layout.incoming)):
        drop = look_at(spool, name)
        if drop is not None:
            yield WaitingDrop(name, drop.kind.value, identity_of(drop.uid).name, drop.submitted_at)
        elif (why := find_ignored(spool, name)) is not None:
            yield from _read_ignored(spool, name, why)


def _read_ignored(spool: Spool, name: str, why: str) -> Iterator[WaitingDrop]:
    try:
        info = (spool.layout.incoming / name).lstat()
    except OSError:
        # RACE: it is gone again.
        return
    yield WaitingDrop(name, "ignored", identity_of(info.st_uid).name, info.st_mtime, why)


def _list_rejected(spool: Spool) -> list[str]:
    """The reason files, newest first."""
    names = [name for name in spool.ops.names(spool.layout.rejected) if name.endswith(_REASON_SUFFIX)]
    at = {name: _modified_at(spool.layout.rejected / name) for name in names}
    return sorted(names, key=lambda name: at[name], reverse=True)


def _read_rejected(spool: Spool, names: list[str]) -> Iterator[Rejection]:
    for name in names:
        yield Rejection(name.removesuffix(_REASON_SUFFIX), read_first_line(spool.layout.rejected / name))

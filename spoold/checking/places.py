"""The spool beside its batches: root, nodes' folders, private files, rejected drops, staging, saves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from distribute_compute_config.names import is_name
from spoold.checking.batches import by_hand_remove, judge_entry, judge_mode
from spoold.checking.findings import (
    Finding,
    Kind,
    MakeFolder,
    SweepPrivate,
    SweepSaves,
    SweepStaging,
    error,
    note,
    shell,
)
from spoold.checking.legal import (
    REASON,
    SAVES,
    STAGING,
    node_type,
    parse_attempt,
    parse_log,
    parse_ticket,
    root_type,
)
from spoold.checking.looking import Read, Type, list_folder, look_at, read_record
from spoold.layout import FILE_MODE, ROOT_FOLDERS, SETTINGS_NAME, SHARED_MODE
from spoold.node_records import NodeInfo, NodeStatus
from spoold.notices.records import Box, Notice, is_notice_name
from spoold.spool import Spool
from spoold.sweeping import OLD_S


def judge_root(spool: Spool) -> Iterator[Finding]:
    """The spool's own folders and files; nothing below them."""
    entries = list_folder(spool.root) or {}
    for name, type in sorted(entries.items()):
        yield from judge_entry(spool.root / name, type, root_type(name))
    for name, mode in ROOT_FOLDERS.items():
        path = spool.root / name
        if name not in entries:
            yield error(Kind.FOLDER_MISSING, path, "is missing", repair=MakeFolder(path, mode))
        yield from judge_mode(spool, path, mode)
    yield from judge_mode(spool, spool.root / SETTINGS_NAME, FILE_MODE)


def judge_incoming(spool: Spool) -> Iterator[Finding]:
    """What somebody began to write into the drop box; everything else there is people's own."""
    folder = spool.layout.incoming
    for name in sorted(list_folder(folder) or {}):
        facts = look_at(folder / name) if name.startswith(".") else None
        if facts and time.time() - facts.modified_at > OLD_S:
            remove = by_hand_remove(folder / name)
            yield note(
                Kind.DROP_LEFT, folder / name, "was begun more than a day ago; nobody reads it", remove
            )


def judge_rejected(spool: Spool) -> Iterator[Finding]:
    """Who rejects a drop writes the reason first, so that there is one for each."""
    folder = spool.layout.rejected
    names = list_folder(folder) or {}
    for name in sorted(names):
        if not name.endswith(REASON) and name + REASON not in names:
            yield error(
                Kind.REJECTED_WITHOUT_REASON,
                folder / name,
                "was rejected, and nothing says why",
                f"submit it again: {shell('mv', folder / name, spool.layout.incoming)}",
            )


def judge_private(spool: Spool) -> Iterator[Finding]:
    """What a crash left in ``tmp/`` and the steward's next sweep removes."""
    folder = spool.layout.tmp
    for name in sorted(list_folder(folder) or {}):
        facts = look_at(folder / name)
        if facts and time.time() - facts.modified_at > OLD_S:
            what = "is a private file that somebody left; the steward sweeps it"
            yield note(Kind.TMP_LEFT, folder / name, what, repair=SweepPrivate())


def judge_staging(spool: Spool, batches: set[tuple[str, str]]) -> Iterator[Finding]:
    """The staging folders; those of known ``batches`` are judged with their tickets."""
    root = spool.layout.staging_root
    for namespace, batch in pairs(list_levels(root)):
        path = root / namespace / batch
        for name, type in sorted((list_folder(path) or {}).items()):
            known = Type.FOLDER if parse_ticket(name) else None
            yield from judge_entry(path / name, type, known)
            if known is type and (namespace, batch) not in batches:
                what = "is a staged result of no batch; the steward sweeps it"
                yield note(Kind.STAGING_LEFT, path / name, what, repair=SweepStaging())
    yield from judge_levels(root)


def judge_saves(spool: Spool, live: set[tuple[str, str]], ended: set[tuple[str, str]]) -> Iterator[Finding]:
    """What evicted attempts saved; only a job of a ``live`` batch can go on from it."""
    root = spool.layout.saves_root
    for namespace, batch in pairs(list_levels(root)):
        path = root / namespace / batch
        for name, type in sorted((list_folder(path) or {}).items()):
            known = Type.FOLDER if parse_attempt(name) else None
            yield from judge_entry(path / name, type, known)
            if known is not type or (namespace, batch) in live:
                continue
            if (namespace, batch) in ended:
                what = "was saved by a job that has ended; the steward sweeps it"
                yield note(Kind.SAVE_LEFT, path / name, what, repair=SweepSaves())
            else:
                what = "was saved by a job of no batch"
                yield error(Kind.SAVE_LEFT, path / name, what, by_hand_remove(path / name))
    yield from judge_levels(root)


def judge_outbox(spool: Spool) -> Iterator[Finding]:
    """Notices; those that nobody will be told are shown, for somebody waits for them."""
    boxes = {box.value: box for box in Box}
    for name, type in sorted((list_folder(spool.layout.outbox) or {}).items()):
        yield from judge_entry(spool.layout.outbox / name, type, Type.FOLDER if name in boxes else None)
        if name in boxes and type is Type.FOLDER:
            yield from _judge_notices(spool, boxes[name])


def _judge_notices(spool: Spool, box: Box) -> Iterator[Finding]:
    folder = spool.layout.notices(box.value)
    for name, type in sorted((list_folder(folder) or {}).items()):
        path, known = folder / name, is_notice_name(name)
        yield from judge_entry(path, type, Type.FILE if known else None)
        notice = read_record(Notice, path) if known and type is Type.FILE and box is not Box.SENT else Read()
        if notice.problem:
            what = f"can't be read: {notice.problem}"
            yield error(Kind.UNREADABLE, path, what, f"nobody is told: {shell('rm', path)}")
        elif notice.value and notice.value.name != name:
            yield error(Kind.RECORD_OTHER, path, f"is of {notice.value.key}", by_hand_remove(path))
        elif notice.value and box is Box.FAILED:
            again = shell("mv", path, spool.layout.notices(Box.WAITING.value))
            what = f"was given up: {notice.value.trouble}"
            yield note(Kind.NOTICE_FAILED, path, what, f"to try again: {again}")


def judge_nodes(spool: Spool) -> Iterator[Finding]:
    """The folders of the workstations."""
    root = spool.layout.nodes
    for name, type in sorted((list_folder(root) or {}).items()):
        yield from judge_entry(root / name, type, Type.FOLDER if is_name(name) else None)
        if is_name(name) and type is Type.FOLDER:
            yield from _judge_node(spool, name)


def _judge_node(spool: Spool, name: str) -> Iterator[Finding]:
    folder = spool.layout.node(name)
    for entry, type in sorted((list_folder(folder.path) or {}).items()):
        yield from judge_entry(folder.path / entry, type, node_type(entry))
    yield from judge_mode(spool, folder.path, SHARED_MODE)
    info, status = read_record(NodeInfo, folder.info), read_record(NodeStatus, folder.running)
    restart = f"start nodewatch on {name}; if there is no such workstation: {shell('rm', '-r', folder.path)}"
    if info.missing:
        yield error(Kind.NODE_MISSING, folder.info, "is missing: nothing says what this node is", restart)
    elif info.problem:
        yield error(Kind.UNREADABLE, folder.info, f"can't be read: {info.problem}", restart)
    elif info.value and info.value.name != name:
        yield error(Kind.RECORD_OTHER, folder.info, f"is of the node {info.value.name}", restart)
    if status.problem:
        yield error(Kind.UNREADABLE, folder.running, f"can't be read: {status.problem}", restart)
    yield from judge_levels(folder.logs)
    for namespace, batch in pairs(list_levels(folder.logs)):
        place = folder.logs / namespace / batch
        for entry, type in sorted((list_folder(place) or {}).items()):
            yield from judge_entry(place / entry, type, Type.FILE if parse_log(entry) else None)


Levels = dict[str, dict[str, Type]]


def list_levels(root: Path) -> Levels:
    """Namespaces with what stands in them, as far as both are what they should be."""
    return {
        name: list_folder(root / name) or {}
        for name, type in (list_folder(root) or {}).items()
        if type is Type.FOLDER and is_name(name)
    }


def pairs(levels: Levels) -> list[tuple[str, str]]:
    """Each namespace and batch, sorted."""
    return sorted(
        (namespace, batch)
        for namespace, entries in levels.items()
        for batch, type in entries.items()
        if type is Type.FOLDER and is_name(batch)
    )


def judge_levels(root: Path) -> Iterator[Finding]:
    """``NAMESPACE/BATCH`` below ``root``: what is neither."""
    for namespace, type in sorted((list_folder(root) or {}).items()):
        if namespace in (STAGING, SAVES):
            continue
        known = Type.FOLDER if is_name(namespace) else None
        yield from judge_entry(root / namespace, type, known)
        if known is type:
            for batch, inner in sorted((list_folder(root / namespace) or {}).items()):
                yield from judge_entry(
                    root / namespace / batch, inner, Type.FOLDER if is_name(batch) else None
                )


def archive_alone(path: Path) -> Finding:
    """Results of a batch that is nowhere else."""
    what = "has no batch: its tickets are gone, its name stays taken, its results can be pulled"
    return error(Kind.ARCHIVE_ALONE, path, what, by_hand_remove(path))

"""From a result on a node's disk to the archive: stage, publish, appear, finish.

``publish`` is the fence: it fails for a holder whose job was given to somebody else. After it, ``finish``
may be done by anyone, any number of times.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from distribute_compute_config.errors import DistributeError
from spoold.codec import encode
from spoold.fsops import Copied, SpoolFull
from spoold.layout import FILE_MODE, RECORD_NAME, BatchFolder
from spoold.records import ArchivedFile, JobRecord, Outcome
from spoold.snapshot import read_record
from spoold.spool import Spool
from spoold.tickets import State, Ticket

STDOUT, STDERR = "stdout.txt", "stderr.txt"
_RESERVED = frozenset({STDOUT, STDERR, RECORD_NAME})
_PREFIX = "saved-"
#: Below these, neither Python's stack nor PATH_MAX ends before the walk or the copy does.
_DEEPEST, _LONGEST_PATH_BYTES = 100, 2000
_EXECUTABLE_MODE = 0o755


class LostResult(DistributeError):
    """A ticket lies in ``publishing/``, and its result is nowhere."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt left on its node's disk; ``record`` lacks the list of files."""

    record: JobRecord
    ticket: Ticket
    stdout: Path
    stderr: Path
    saved: Path


@dataclass(frozen=True, slots=True)
class _Saved:
    """Something in ``distribute_save``: a regular file, or the reason why it can't be archived."""

    path: str
    real: Path
    refusal: str = ""


def stage(spool: Spool, result: Result) -> JobRecord:
    """Copy a result to its staging folder, replacing what an interrupted try left; not flushed.

    Returns the complete record. Raises SpoolFull, and nothing is left in staging then, or OSError.
    """
    record = result.record
    folder = spool.layout.staging(record.namespace, record.batch, result.ticket)
    try:
        spool.ops.make_new_folder(folder)
    except FileExistsError:
        spool.ops.remove_tree(folder)
        spool.ops.make_new_folder(folder)
    try:
        return _fill(spool, result, folder)
    except SpoolFull:
        # Half a result must not keep everybody else from writing until there is room for all of it.
        spool.ops.remove_tree(folder)
        raise


def _fill(spool: Spool, result: Result, folder: Path) -> JobRecord:
    files = [
        _copy(spool, result.stdout, folder, STDOUT),
        _copy(spool, result.stderr, folder, STDERR),
    ]
    skipped = []
    for saved in _walk(result.saved):
        if saved.refusal:
            skipped.append(f"{saved.path}: {saved.refusal}")
        else:
            files.append(_copy(spool, saved.real, folder, archived_name(saved.path)))
    record = replace(result.record, files=tuple(files), skipped=tuple(skipped))
    spool.ops.write_new(folder / RECORD_NAME, encode(record))
    return record


def archived_name(path: str) -> str:
    """Where a saved file goes: never onto what we add, and no two onto one name. Pure."""
    first = path.partition("/")[0]
    while first.startswith(_PREFIX):
        first = first.removeprefix(_PREFIX)
    return f"{_PREFIX}{path}" if first in _RESERVED else path


def publish(spool: Spool, folder: BatchFolder, ticket: Ticket) -> bool:
    """The fence. True: the result counts. False: the job is somebody else's, the result is void."""
    return spool.ops.move(folder.ticket(State.CLAIMED, ticket), folder.ticket(State.PUBLISHING, ticket))


def finish(
    spool: Spool,
    folder: BatchFolder,
    namespace: str,
    batch: str,
    ticket: Ticket,
    staged: Outcome | None = None,
) -> Outcome:
    """Let a published result appear in the archive and put its ticket where its outcome says.

    Who ``staged`` the result tells its outcome, which needn't be read back over the network then.
    Raises LostResult if the result is neither staged nor archived: nobody may decide then.
    """
    target = spool.layout.archived_job(namespace, batch, ticket.job)
    appeared = _appear(spool, namespace, batch, ticket, target)
    # Before a second attempt there may have been another result, which stands there.
    known = staged if appeared and ticket.attempt == 1 else None
    outcome = known or _read_outcome(spool, folder, target, ticket)
    state = State(outcome.value)
    spool.ops.move(folder.ticket(State.PUBLISHING, ticket), folder.ticket(state, ticket))
    return outcome


def _read_outcome(spool: Spool, folder: BatchFolder, target: Path, ticket: Ticket) -> Outcome:
    record = read_record(spool, target)
    if record is None or record.attempt != ticket.attempt:
        batch = f"{target.parent.parent.name}/{target.parent.name}"
        raise LostResult(
            f"the result of {batch}/{ticket} is neither staged nor archived",
            "somebody removed it",
            f"to run it again: mv {folder.ticket(State.PUBLISHING, ticket)} "
            f"{folder.ticket(State.PENDING, ticket.next_attempt())}",
        )
    return record.outcome


def keep_attempt(spool: Spool, namespace: str, batch: str, ticket: Ticket) -> None:
    """Archive a staged attempt that will be retried, as ``JOB~ATTEMPT``."""
    staging = spool.layout.staging(namespace, batch, ticket)
    try:
        spool.ops.move(staging, spool.layout.archived_attempt(namespace, batch, ticket))
    except FileExistsError:
        # Kept before, by a daemon that died before it gave the job back.
        spool.ops.remove_tree(staging)


def count_errors(spool: Spool, namespace: str, batch: str, ticket: Ticket) -> int:
    """How many attempts before this one ended with an error; those lost with their node left nothing."""
    names = set(spool.ops.names(spool.layout.archived_batch(namespace, batch)))
    kept = sum(f"{ticket.job}~{earlier}" in names for earlier in range(1, ticket.attempt))
    # The last try before a `retry` by hand still has the job's own name.
    return kept + (ticket.job in names)


def discard(spool: Spool, namespace: str, batch: str, ticket: Ticket) -> None:
    """Remove a staged result that doesn't count."""
    spool.ops.remove_tree(spool.layout.staging(namespace, batch, ticket))


def _appear(spool: Spool, namespace: str, batch: str, ticket: Ticket, target: Path) -> bool:
    """Whether it was there to appear: somebody else may have done it."""
    staging = spool.layout.staging(namespace, batch, ticket)
    try:
        return spool.ops.move(staging, target)
    except FileExistsError:
        aside = _set_aside(spool, namespace, batch, ticket, target)
        return aside and spool.ops.move(staging, target)


def _set_aside(spool: Spool, namespace: str, batch: str, ticket: Ticket, target: Path) -> bool:
    """Move an earlier attempt's result out of the way: the job was retried. False: it is this very result."""
    earlier = read_record(spool, target)
    if earlier is not None and earlier.attempt == ticket.attempt:
        # RACE: another finisher let our very result appear since our rename failed.
        return False
    if earlier is None or earlier.attempt > ticket.attempt:
        raise LostResult(
            f"{target} is in the way of attempt {ticket.attempt}",
            "it isn't the result of an earlier attempt",
            "move it elsewhere; the next sweep goes on",
        )
    aside = spool.layout.archived_attempt(namespace, batch, Ticket(ticket.job, earlier.attempt))
    # RACE: another finisher may have set it aside, and what is there now is the new result: then this rename
    # onto a full folder fails, so nothing is lost.
    with suppress(FileExistsError):
        spool.ops.move(target, aside)
    return True


def _copy(spool: Spool, source: Path, folder: Path, name: str) -> ArchivedFile:
    target = folder / name
    if "/" in name:
        spool.ops.make_folder(target.parent)
    with open(source, "rb", buffering=0, opener=_open_unlinked) as opened:
        executable = os.fstat(opened.fileno()).st_mode & stat.S_IXUSR
        copied: Copied = spool.ops.copy_new(opened, target, _EXECUTABLE_MODE if executable else FILE_MODE)
    return ArchivedFile(name, copied.size_bytes, copied.sha256)


def _open_unlinked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _walk(root: Path) -> Iterator[_Saved]:
    """All that a job saved, sorted; links are followed only to regular files inside ``root``."""
    if root.is_symlink():
        yield _Saved(root.name, root, "it was replaced by a link")
        return
    closed: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=closed.append, followlinks=False):
        folders.sort()
        base = Path(folder)
        if len(base.parts) - len(root.parts) == _DEEPEST:
            yield from (
                _Saved((base / f).relative_to(root).as_posix(), base / f, "too deep") for f in folders
            )
            folders.clear()
        for name in sorted(files + [f for f in folders if (base / f).is_symlink()]):
            yield _judge(root, base / name)
    for error in closed:
        path = Path(error.filename)
        yield _Saved(path.relative_to(root).as_posix(), path, (error.strerror or "can't be listed").lower())


def _judge(root: Path, path: Path) -> _Saved:
    relative = path.relative_to(root).as_posix()
    if len(os.fsencode(relative)) > _LONGEST_PATH_BYTES:
        return _Saved(relative, path, "its path is too long")
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        return _Saved(relative, path, "neither a file nor a folder")
    # Not `resolve`: it raises RuntimeError for a link to itself.
    real = path if stat.S_ISREG(mode) else Path(os.path.realpath(path))
    if stat.S_ISLNK(mode) and not (real.is_relative_to(os.path.realpath(root)) and real.is_file()):
        return _Saved(relative, path, "a link that leads to no file inside distribute_save")
    if not os.access(real, os.R_OK):
        return _Saved(relative, path, "it may not be read")
    return _Saved(relative, real)

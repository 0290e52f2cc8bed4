"""From a drop to a batch: snapshot its inputs, admit it, clear it; or reject it with every reason.

Every step may be repeated, by this steward or by another one at the same time; ``spool-layout.md`` tells
why a drop is nevertheless admitted exactly once.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tarfile import TarError
from typing import TYPE_CHECKING

from distribute_compute_config.names import InvalidName, shorten
from distribute_compute_config.problems import JobFileError, Problem, describe_loc
from spoold.access import Unreadable, identity_of, open_below
from spoold.codec import RecordError, decode, encode
from spoold.drops import Drop, DropKind, look_at, show_name, version_of
from spoold.layout import HEADER_NAME, JOB_FILE_NAME, JOBS_NAME, SHARED_MODE
from spoold.records import BatchHeader, Input, RetryRequest
from spoold.retrying import NotRetried, carry_out
from spoold.snapshot import BatchRef, find_batch, is_listed
from spoold.sources import Rejected, Source, open_source, read_text, require_one_name
from spoold.spool import Spool
from spoold.store import add_object
from spoold.tickets import State, Ticket

if TYPE_CHECKING:
    from distribute_compute_config.inputs import InputFile
    from distribute_compute_config.loading import LoadedJobFile
    from spoold.compiling import Batch

_log = logging.getLogger(__name__)

_MOST_NAME_BYTES = 200
_INSTEAD = "write the path of a file that you can read on the file server, or submit with: distribute add"


def take_in(spool: Spool, drop: Drop) -> BatchRef | None:
    """Admit a complete drop, or reject it; returns its batch if there is one now.

    Raises SpoolFull or OSError when the spool can't be written: the drop stays for the next try.
    """
    try:
        _check_drop_name(drop.name)
        if drop.kind is DropKind.RETRY:
            _take_in_request(spool, drop)
            return None
        return _admit(spool, drop)
    except (Rejected, JobFileError, Unreadable, RecordError, TarError) as reason:
        # RACE: another steward cleared it, or it was changed while it was read: then this says nothing.
        if _unchanged(spool, drop):
            reject(spool, drop, str(reason))
        return None


def _check_drop_name(name: str) -> None:
    if not name.isprintable():
        raise Rejected(
            f"the name {shorten(name)} can't be used",
            "it holds a control character, or another one that can't be shown",
            "rename it, and drop it again",
        )


def _unchanged(spool: Spool, drop: Drop) -> bool:
    """Whether what was read by name since ``drop`` was looked at is that drop, of that owner."""
    return look_at(spool, drop.name) == drop


def reject(spool: Spool, drop: Drop, reason: str) -> None:
    """Put the drop in ``rejected/`` with its reason beside it, under its own name if that is free."""
    rejected = spool.layout.rejected
    name = _free_name(drop, set(spool.ops.names(rejected)))
    note = rejected / f"{name}.reason.txt"
    text = f"{reason}\n\nsubmitted by {identity_of(drop.uid).name}, rejected {_stamp()}\n"
    spool.ops.replace(note, text.encode(errors="backslashreplace"))
    spool.ops.flush()
    _log.warning("rejected %s: %s", show_name(drop.name), reason.splitlines()[0])
    try:
        if not spool.ops.move(drop.path, rejected / name):
            # RACE: another steward dealt with it.
            spool.ops.unlink(note)
    except PermissionError:
        _log.warning("%s stays in the drop box: only its owner can move that folder", show_name(drop.name))


def _free_name(drop: Drop, taken: set[str]) -> str:
    # The note's name is longer by 11 and must still be a file name.
    short = os.fsencode(drop.name)[:_MOST_NAME_BYTES].decode(errors="ignore")
    if short == drop.name and drop.name not in taken:
        return drop.name
    return f"{short}~{drop.id[:8]}"


def _admit(spool: Spool, drop: Drop) -> BatchRef | None:
    # Imported here: an idle daemon needs none of it.
    from distribute_compute_config.loading import load_bytes
    from spoold.compiling import compile_batch
    from spoold.imaging import inspect_image
    from spoold.rendering import render_templates

    with open_source(spool, drop) as source:
        raw, name = source.job_file()
        try:
            loaded = load_bytes(raw, name, spool.settings.max_jobs)
        except JobFileError as error:
            unreadable = _find_unreadable(source, error.mentions)
            raise JobFileError([*error.problems, *_explain(name, error.mentions, unreadable)]) from error
        if not _unchanged(spool, drop):
            return None
        meta = loaded.jobfile.meta
        _check_size(spool, loaded)
        _check_names(loaded)
        if not _reserved(spool, meta.namespace, meta.batch_name, drop):
            contents = _snapshot(spool, source, loaded)
            submitter = identity_of(drop.uid).name
            rendered = render_templates(spool, source, loaded)
            architecture = inspect_image(spool, loaded, contents)
            batch = compile_batch(loaded, contents, drop, submitter, loaded.source, rendered, architecture)
            _reserve(spool, drop, batch)
    return _open(spool, drop, meta.namespace, meta.batch_name)


def _check_size(spool: Spool, loaded: LoadedJobFile) -> None:
    count, most = len(loaded.jobfile.jobs), spool.settings.max_jobs
    if count > most:
        raise Rejected(
            f"{loaded.source} has {count} jobs",
            f"a batch may have {most} in this spool",
            "split it, or have max_jobs raised in spool.yaml",
        )


def _check_names(loaded: LoadedJobFile) -> None:
    """A job's result stands beside the batch's own files in the archive."""
    batch = loaded.jobfile.meta.batch_name
    for job in loaded.jobfile.jobs:
        if job.name in (HEADER_NAME, JOB_FILE_NAME) or job.name.startswith(f"{batch}_build_output-"):
            raise Rejected(
                f"{loaded.source}: no job can be called {job.name}",
                "a file of the batch has that name in the archive",
                "give the job another name",
            )


def _snapshot(spool: Spool, source: Source, loaded: LoadedJobFile) -> dict[str, Input]:
    """Copy each input but templates to the store.

    Raises JobFileError naming all that can't be read, with their lines.
    """
    contents: dict[str, Input] = {}
    problems: dict[str, Unreadable] = {}
    for one in loaded.inputs():
        if one.values or one.path in contents or one.path in problems:
            continue
        try:
            with source.open_input(one.path) as opened:
                executable = source.is_executable(one.path, opened)
                stored = add_object(spool, opened, one.name, executable)
            source.check(one.path, stored)
            contents[one.path] = stored
        except Unreadable as error:
            problems[one.path] = error
    if problems:
        mentions = (one for one in loaded.inputs() if not one.values)
        raise JobFileError(_explain(loaded.source, mentions, problems))
    return contents


def _find_unreadable(source: Source, mentions: Iterable[InputFile]) -> dict[str, Unreadable]:
    """By path, why an input of a job file that is rejected anyway couldn't be read; nothing is copied."""
    problems: dict[str, Unreadable] = {}
    for path in {one.path for one in mentions}:
        try:
            with source.open_input(path):
                pass
        except Unreadable as error:
            problems[path] = error
    return problems


def _explain(
    name: str, mentions: Iterable[InputFile], problems: Mapping[str, Unreadable]
) -> Iterator[Problem]:
    """A problem for each mention of a path among ``problems``; ``name`` is the job file's."""
    for one in mentions:
        if one.path in problems:
            error = problems[one.path]
            what = f"{describe_loc(one.loc)}: {one.path}"
            yield Problem(name, *one.mark, what, error.why, error.hint or _INSTEAD)


def _reserved(spool: Spool, namespace: str, batch: str, drop: Drop) -> bool:
    """Whether this very drop owns the name already. Raises Rejected if another one does."""
    layout = spool.layout
    if not is_listed(spool, layout.archive, namespace, batch):
        return False
    header = layout.archived_batch(namespace, batch) / HEADER_NAME
    owner = decode(BatchHeader, spool.ops.read(header) or b"", header)
    if owner.id == drop.id:
        return True
    raise Rejected(
        f"{namespace}/{batch} is there already",
        f"submitted by {owner.submitter} on {_stamp(owner.submitted_at)}; nothing of it was touched",
        "give this batch another batch_name",
    )


def _reserve(spool: Spool, drop: Drop, batch: Batch) -> None:
    """The commit: one rename onto the name in the archive, which is never free again."""
    header = batch.header
    private = spool.ops.private()
    spool.ops.make_folder(private)
    spool.ops.write_new(private / HEADER_NAME, encode(header))
    spool.ops.write_new(private / JOB_FILE_NAME, batch.text.encode())
    _write_folder(spool, private / ".admitted", batch)
    spool.ops.flush()
    target = spool.layout.archived_batch(header.namespace, header.batch)
    try:
        spool.ops.move_in(private, target)
    except FileExistsError:
        spool.ops.remove_tree(private)
    # RACE: another steward may have admitted this drop, or another drop of this name, since we looked.
    if not _reserved(spool, header.namespace, header.batch, drop):
        raise FileNotFoundError(errno.ENOENT, "not to be seen yet", str(target))


def _write_folder(spool: Spool, folder: Path, batch: Batch) -> None:
    spool.ops.make_folder(folder)
    spool.ops.write_new(folder / HEADER_NAME, encode(batch.header))
    spool.ops.write_new(folder / JOBS_NAME, encode(batch.jobs))
    spool.ops.write_new(folder / JOB_FILE_NAME, batch.text.encode())
    for state in State:
        spool.ops.make_folder(folder / state.value)
    for name in ("builds", "losses"):
        spool.ops.make_folder(folder / name)
    for job in batch.jobs.jobs:
        state = State.HELD if job.depends or batch.header.after else State.PENDING
        spool.ops.create(folder / state.value / str(Ticket(job.name, 1)))
    # Last: a name that a stranger made first would be his, be it a folder for tickets.
    spool.ops.set_mode(folder, SHARED_MODE)


def _open(spool: Spool, drop: Drop, namespace: str, batch: str) -> BatchRef | None:
    """Let the batch appear; its source can be moved only once, whoever comes second finds nothing."""
    target = spool.layout.batch(namespace, batch).path
    if spool.ops.move_in(spool.layout.admitted(namespace, batch), target):
        _log.info("admitted %s/%s from %s", namespace, batch, drop.name)
    clear(spool, drop)
    return find_batch(spool, namespace, batch)


def clear(spool: Spool, drop: Drop) -> None:
    """Remove a drop that was dealt with, once no power failure can take back what was done about it."""
    private = spool.ops.private()
    spool.ops.flush()
    try:
        if not spool.ops.move(drop.path, private):
            return
    except PermissionError:
        _log.warning("%s stays in the drop box: only its owner can remove that folder", show_name(drop.name))
        return
    if version_of(private.lstat()) == drop.version:
        spool.ops.discard(private)
    else:
        # RACE: another steward cleared it, and this is a later drop of that name. Nobody knows the new name.
        spool.ops.move(private, drop.path.with_name(f"{private.name}.{drop.name}"))


def _take_in_request(spool: Spool, drop: Drop) -> None:
    with open_below(spool.layout.incoming, Path(drop.name)) as opened:
        require_one_name(opened, drop.name)
        data = read_text(opened)
    try:
        request = decode(RetryRequest, data, drop.name)
    except RecordError as error:
        raise Rejected(error.what, error.why, "make requests with: distribute retry") from error
    if not _unchanged(spool, drop):
        return
    try:
        done = carry_out(spool, request, drop.uid)
    except (NotRetried, InvalidName) as error:
        raise Rejected(error.what, error.why, error.hint) from error
    if done:
        clear(spool, drop)


def _stamp(at: float | None = None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))

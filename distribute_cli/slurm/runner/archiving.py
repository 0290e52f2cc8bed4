"""From what an attempt left to its folder in the archive, in the form that a spool's archive has."""

import hashlib
import json
import os
import shutil
import stat
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .records import RECORD_NAME, Batch, NotBegun, read_record
from .trees import remove

STDOUT, STDERR = "stdout.txt", "stderr.txt"
_RESERVED = (STDOUT, STDERR, RECORD_NAME)
_PREFIX = "saved-"
_DEEPEST, _LONGEST_PATH_BYTES = 100, 2000


class _Saved(NamedTuple):
    """A regular file in ``distribute_save``, or a link to one, or the reason why it can't be archived."""

    path: str
    real: str
    refusal: str = ""
    linked: bool = False


def list_attempts(batch: Batch, job: str) -> Tuple[Optional[Dict[str, Any]], List[int]]:
    """The record of the job's result, if it has one, and the numbers of earlier attempts that are kept."""
    names = os.listdir(batch.archive) if os.path.isdir(batch.archive) else []
    kept = [name[len(job) + 1 :] for name in names if name.startswith(job + "~")]
    return read_record(os.path.join(batch.archive, job)), sorted(int(one) for one in kept if one.isdigit())


def set_aside(batch: Batch, job: str, attempt: int) -> None:
    """Let an earlier attempt's result make room."""
    os.rename(os.path.join(batch.archive, job), os.path.join(batch.archive, f"{job}~{attempt}"))


def require_free(batch: Batch, job: str, record: Optional[Dict[str, Any]]) -> None:
    """Raises NotBegun where a folder that is no result would be in the way of one."""
    folder = os.path.join(batch.archive, job)
    if record is None and os.path.lexists(folder):
        raise NotBegun(f"{folder} is in the way of its result, and has no {RECORD_NAME}; move it away")


def clear_staging(batch: Batch, job: str) -> None:
    """Remove what a runner left that died while it archived a result of the job."""
    folder = os.path.dirname(batch.staging(job))
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.startswith(job + "~"):
            remove(os.path.join(folder, name))


def archive(
    batch: Batch, record: Dict[str, Any], output: Tuple[str, str], save: str, name: str, keep: bool
) -> None:
    """Move a result to ``name`` in the archive, whole and by one rename. ``record`` lacks its files.

    With ``keep``, what is in ``save`` stays there too.
    """
    staging = batch.staging("{job}~{attempt}@{node}".format(**record))
    remove(staging)
    os.makedirs(staging)
    os.makedirs(batch.archive, exist_ok=True)
    files = [_add(path, staging, called, _rename) for path, called in zip(output, (STDOUT, STDERR))]
    saved, bring = list(_walk(save)), _link if keep else _rename
    # A link leads to a file that is moved afterwards.
    saved_first = sorted(saved, key=lambda one: not one.linked)
    added = {
        one.path: _add(one.real, staging, archived_name(one.path), None if one.linked else bring)
        for one in saved_first
        if not one.refusal
    }
    files += [added[one.path] for one in saved if one.path in added]
    skipped = [f"{_spell(one.path)}: {one.refusal}" for one in saved if one.refusal]
    _write_record(os.path.join(staging, RECORD_NAME), dict(record, files=files, skipped=skipped))
    os.rename(staging, os.path.join(batch.archive, name))
    _flush(batch.archive)


def archived_name(path: str) -> str:
    """Where a saved file goes: never onto what we add, and no two onto one name."""
    first = path.partition("/")[0]
    while first.startswith(_PREFIX):
        first = first[len(_PREFIX) :]
    return _PREFIX + path if first in _RESERVED else path


def saved_name(archived: str) -> str:
    """What a file was called in ``distribute_save``."""
    plain = archived[len(_PREFIX) :] if archived.startswith(_PREFIX) else archived
    return plain if archived_name(plain) == archived else archived


def keep_build_output(batch: Batch, output: str, node: str) -> None:
    """What the first build on this node printed stays, as in a spool."""
    target = os.path.join(batch.archive, f"{batch.batch}_build_output-{node}.txt")
    os.makedirs(batch.archive, exist_ok=True)
    if not os.path.exists(target):
        os.chmod(output, 0o644)
        os.rename(output, target)


def _add(source: str, folder: str, name: str, bring: Optional[Callable[[str, str], bool]]) -> Dict[str, Any]:
    """Have ``bring`` put a file where it belongs, or copy it where that can't be done, and describe it."""
    target = os.path.join(folder, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    executable = os.stat(source).st_mode & stat.S_IXUSR
    if bring is None or not bring(source, target):
        shutil.copyfile(source, target)
    os.chmod(target, 0o755 if executable else 0o644)
    digest, size = hashlib.sha256(), 0
    with open(target, "rb") as opened:
        for piece in iter(lambda: opened.read(1 << 20), b""):
            digest.update(piece)
            size += len(piece)
        os.fsync(opened.fileno())
    return {"path": _spell(name), "size_bytes": size, "sha256": digest.hexdigest()}


def _rename(source: str, target: str) -> bool:
    """False where the job closed the folder that it is in."""
    try:
        os.rename(source, target)
    except OSError:
        return False
    return True


def _link(source: str, target: str) -> bool:
    """A second name; False where the file system gives none."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _spell(path: str) -> str:
    """As a record has it, whatever this machine's locale makes of names."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def _write_record(path: str, record: Dict[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as opened:
        opened.write(json.dumps(record, separators=(",", ":")) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    os.chmod(path, 0o644)
    _flush(os.path.dirname(path))


def _flush(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _walk(root: str) -> Iterator[_Saved]:
    """All that a job saved, sorted; links are followed only to regular files inside ``root``."""
    if os.path.islink(root):
        yield _Saved(os.path.basename(root), root, "it was replaced by a link")
        return
    closed = []  # type: List[OSError]
    for folder, folders, files in os.walk(root, onerror=closed.append):
        folders.sort()
        base = os.path.relpath(folder, root)
        depth = 0 if base == "." else base.count("/") + 1
        if depth == _DEEPEST:
            for name in folders:
                path = os.path.join(folder, name)
                yield _Saved(os.path.relpath(path, root), path, "too deep")
            del folders[:]
        linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted(files + linked):
            yield _judge(root, os.path.join(folder, name))
    for error in closed:
        yield _Saved(
            os.path.relpath(error.filename, root),
            error.filename,
            (error.strerror or "can't be listed").lower(),
        )


def _judge(root: str, path: str) -> _Saved:
    relative = os.path.relpath(path, root)
    if len(os.fsencode(relative)) > _LONGEST_PATH_BYTES:
        return _Saved(relative, path, "its path is too long")
    mode = os.lstat(path).st_mode
    if stat.S_ISREG(mode):
        readable = os.access(path, os.R_OK)
        return _Saved(relative, path, "" if readable else "it may not be read")
    if not stat.S_ISLNK(mode):
        return _Saved(relative, path, "neither a file nor a folder")
    real, home = os.path.realpath(path), os.path.realpath(root)
    if not real.startswith(home + os.sep) or not os.path.isfile(real):
        return _Saved(relative, path, "a link that leads to no file inside distribute_save")
    return _Saved(relative, real, "" if os.access(real, os.R_OK) else "it may not be read", linked=True)

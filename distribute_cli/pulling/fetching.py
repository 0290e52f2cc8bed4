"""Pulling from another machine: rsync brings files to a private folder, and they are pulled from there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from distribute_cli.errors import NotFound
from distribute_cli.output import clean
from distribute_cli.pulling.archived import ArchivedBatch, read_results
from distribute_cli.pulling.places import Place
from distribute_cli.pulling.planning import PullFile
from distribute_cli.pulling.pulling import Meter, Wanted, pull_batch
from distribute_cli.pulling.remotes import Remote, files_argv, records_argv
from distribute_cli.reports.pulled import Missing, PullReport
from distribute_compute_config.errors import DistributeError
from spoold.layout import JOB_FILE_NAME

#: Below the folder that results go to: a pull that was cut off goes on from what is there.
PRIVATE = ".distribute-pull"
_NO_SUCH_PLACE, _SOME_FAILED = 23, (23, 24)
_NOTHING_YET = "no result yet"
_amount = re.compile(rb"\s*([0-9]+)\s+[0-9]+%")


class RemoteFailed(DistributeError):
    """rsync could not fetch from the other machine; what it said is in the message."""


def pull_remote(remote: Remote, wanted: Wanted, meter: Meter) -> PullReport:
    """Raises RemoteFailed, NotFound; what goes wrong with single files is in the report."""
    if shutil.which("rsync") is None:
        raise RemoteFailed("there is no rsync on this machine", "", "type: sudo apt install rsync")
    with (
        tempfile.TemporaryDirectory(prefix="distribute-") as folder,
        ThreadPoolExecutor(wanted.workers) as executor,
    ):
        place = _fetch_records(remote, wanted, folder)
        batch = read_results(Place(Path(folder)), wanted.batch, wanted.attempts, executor)
        batch = _with_missing(batch, Path(folder))
        with _mirror(wanted) as mirror:
            bring = partial(_fetch_files, place, mirror.path, meter)
            report = pull_batch(batch, wanted, meter, executor, mirror, bring)
            if not report.failures:
                _clear(mirror)
    return report


def _fetch_records(remote: Remote, wanted: Wanted, folder: str) -> str:
    """Where the batch is. Raises RemoteFailed, NotFound."""
    for place in remote.candidates(wanted.namespace, wanted.batch):
        done = subprocess.run(
            records_argv(place, f"{folder}/"),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        partly = done.returncode in _SOME_FAILED and any(Path(folder).iterdir())
        if done.returncode == 0 or partly:
            return place
        if done.returncode != _NO_SUCH_PLACE:
            raise _explain(remote.name, done.returncode, done.stderr)
    key = f"{wanted.namespace}/{wanted.batch}"
    raise NotFound(
        f"there is no {key} in {remote.name}",
        "it was looked for as an export, a spool and an archive",
        "give the folder that schedule_jobs.sh is in, or the spool's, and the batch: NS/BATCH",
    )


def _fetch_files(place: str, target: Path, meter: Meter, files: Iterable[PullFile]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as listed, tempfile.TemporaryFile() as errors:
        listed.write(b"".join(os.fsencode(file.name) + b"\0" for file in files))
        listed.seek(0)
        process = subprocess.Popen(
            files_argv(place, f"{target}/"), stdin=listed, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            _watch(process, meter.advance)
        finally:
            # Ctrl-C: what has arrived stays for the next time.
            if process.poll() is None:
                process.terminate()
            process.wait()
        if process.returncode and process.returncode not in _SOME_FAILED:
            errors.seek(0)
            raise _explain(place, process.returncode, errors.read().decode(errors="replace"))


def _watch(process: subprocess.Popen[bytes], advance: Callable[[int], None]) -> None:
    """Tell the bytes that rsync says it has, which it says on one line again and again."""
    assert process.stdout is not None
    told, rest = 0, b""
    while piece := os.read(process.stdout.fileno(), 1 << 16):
        *lines, rest = re.split(rb"[\r\n]", rest + piece)
        for found in filter(None, map(_amount.match, lines)):
            size_bytes = int(found[1])
            advance(max(0, size_bytes - told))
            told = max(told, size_bytes)


def _explain(what: str, code: int, said: str) -> RemoteFailed:
    # Whatever the other machine says, it mustn't steer this terminal.
    lines = "\n  ".join(map(clean, said.strip().splitlines()[-5:]))
    return RemoteFailed(
        f"{what} can't be read",
        lines or f"rsync ended with {code}",
        "what arrived stays; to go on, type the same again",
    )


def _with_missing(batch: ArchivedBatch, folder: Path) -> ArchivedBatch:
    """The jobs of the batch's own job file that have no result there."""
    from distribute_compute_config import JobFileError, load_file

    try:
        names = [job.name for job in load_file(folder / JOB_FILE_NAME).jobfile.jobs]
    except JobFileError:
        # Of another version: what there is can be pulled all the same.
        return batch
    there = {job.folder for job in batch.jobs}
    return replace(batch, missing=tuple(Missing(name, _NOTHING_YET) for name in names if name not in there))


@contextmanager
def _mirror(wanted: Wanted) -> Iterator[Place]:
    """The private folder; with ``dry`` it is nowhere that anybody would find it."""
    parts = (wanted.namespace, wanted.batch)
    if not wanted.dry:
        yield Place(wanted.save_dir / PRIVATE, parts)
        return
    with tempfile.TemporaryDirectory(prefix="distribute-") as folder:
        yield Place(Path(folder), parts)


def _clear(mirror: Place) -> None:
    """Remove it, and what is empty around it then: others may be pulling to the same folder."""
    shutil.rmtree(mirror.path, ignore_errors=True)
    for folder in (mirror.path.parent, mirror.root):
        try:
            folder.rmdir()
        except OSError:
            return

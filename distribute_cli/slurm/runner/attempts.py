"""A job's attempts, one after the other in one allocation, until one succeeds or none is left."""

import os
import shutil
import signal
import time
from typing import Any, Dict, List, Optional, Tuple

from .archiving import (
    STDERR,
    STDOUT,
    archive,
    clear_staging,
    list_attempts,
    require_free,
    saved_name,
    set_aside,
)
from .records import QUOTED_TREE, ROOT, TREE, Batch, Job
from .running import Ended, Task, run
from .surroundings import count_cores, hide_machine, make_environment
from .trees import SAVE, copy_built, make_container_folders, make_tree, prepare, remove, unlock
from .verdicts import Verdict, judge, make_record

_BINARIES = ("apptainer", "singularity")
_DIVIDERS = set(':,\\"')


def run_job(batch: Batch, job: Job) -> int:
    """Run a job until it succeeds or may not be tried again; the exit code for Slurm."""
    begin_s = time.monotonic()
    before, kept = list_attempts(batch, job.job)
    if before and before["outcome"] == "done":
        print(f"{job.job} is done already")
        return 0
    require_free(batch, job.job, before)
    if job.on_evict:
        # Where it comes while files are copied, it waits until the job runs.
        signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, job.on_evict)})
    tree = batch.work(job.job)
    resume = _find_saves(batch, job, tree, before)
    if before:
        set_aside(batch, job.job, before["attempt"])
        kept.append(before["attempt"])
    clear_staging(batch, job.job)
    _make(batch, tree)
    attempt, left = max(kept or [0]) + 1, job.retries
    while True:
        ended, verdict = _run_attempt(batch, job, tree, attempt, resume, begin_s)
        # Told to end by Slurm, we have no time for another one.
        again = verdict.outcome == "failed" and ended.stopped != "killed" and left > 0
        name = f"{job.job}~{attempt}" if again else job.job
        record = make_record(batch, job, attempt, ended, verdict)
        # A crash meanwhile must leave what the next attempt goes on from.
        archive(batch, record, _output(tree), os.path.join(tree, SAVE), name, keep=job.resume)
        said = ": ".join(filter(None, [verdict.outcome, verdict.reason]))
        print(f"{job.job}, attempt {attempt}: {said}", flush=True)
        if not again:
            break
        attempt, left, resume = attempt + 1, left - 1, ""
    if job.resume and ended.stopped:
        _keep_resume(tree)
    _clear(tree)
    return _exit_code(ended, verdict)


def _clear(tree: str) -> None:
    """The result is archived: what can't be removed is told, and is no failure of the job."""
    for folder in (tree, _output_folder(tree)):
        try:
            remove(folder)
        except (OSError, RecursionError) as error:
            print(f"{folder} can't be removed: {error}")


def _make(batch: Batch, tree: str) -> None:
    if batch.build:
        copy_built(batch, tree)
    else:
        make_tree(batch, tree)
    remove(_output_folder(tree))
    os.makedirs(_output_folder(tree))


def _output_folder(tree: str) -> str:
    # No job can be called so.
    return tree + "~out"


def _output(tree: str) -> Tuple[str, str]:
    folder = _output_folder(tree)
    return os.path.join(folder, STDOUT), os.path.join(folder, STDERR)


def _find_saves(batch: Batch, job: Job, tree: str, record: Optional[Dict[str, Any]]) -> str:
    """A copy of what an interrupted attempt saved, if the job wants to go on from that; else nothing.

    ``record`` is of the newest attempt, if that one was archived.
    """
    target = _resume_folder(tree)
    if not job.resume:
        return ""
    if record and record["ending"] in ("killed", "time-limit"):
        _copy_saves(os.path.join(batch.archive, job.job), record, target)
    elif not record:
        # Its machine died, or Slurm ended it with SIGKILL; maybe before it had saved anything itself.
        _take_first((os.path.join(tree, SAVE), _given(tree)), target)
    return target if os.path.isdir(target) else ""


def _keep_resume(tree: str) -> None:
    """An attempt that was ended before it had saved anything hands on what it was given itself."""
    if not _holds_anything(os.path.join(tree, SAVE)):
        _take_first((_given(tree),), _resume_folder(tree))


def _take_first(folders: Tuple[str, ...], target: str) -> None:
    """Rename the first of them that holds anything."""
    for folder in folders:
        if _holds_anything(folder):
            remove(target)
            os.rename(folder, target)
            return


def _holds_anything(folder: str) -> bool:
    """Whether it is a folder with something in it; a job may have removed it, or put a link there."""
    return os.path.isdir(folder) and not os.path.islink(folder) and bool(os.listdir(folder))


def _resume_folder(tree: str) -> str:
    return tree + "~resume"


def _given(tree: str) -> str:
    return os.path.join(tree, "input", "resume")


def _copy_saves(folder: str, record: Dict[str, Any], target: str) -> None:
    saved = [one["path"] for one in record["files"] if one["path"] not in (STDOUT, STDERR)]
    if saved:
        remove(target)
    for path in saved:
        place = os.path.join(target, saved_name(path))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy(os.path.join(folder, path), place)


def _run_attempt(
    batch: Batch, job: Job, tree: str, attempt: int, resume: str, begin_s: float
) -> Tuple[Ended, Verdict]:
    prepare(batch, job, tree, resume)
    if job.container:
        make_container_folders(job, tree)
    environment = make_environment(batch, job.job, attempt, tree)
    if job.container:
        environment = dict(hide_machine(environment), **job.environment)
    task = Task(
        argv=_make_argv(batch, job, tree),
        cwd=tree,
        environment=environment,
        stdout=_output(tree)[0],
        stderr=_output(tree)[1],
        time_s=job.time_s,
        on_evict=int(getattr(signal, job.on_evict)) if job.on_evict else 0,
        contained=job.container,
    )
    ended = run(task)
    unlock(tree)
    return ended, judge(job, ended, time.monotonic() - begin_s)


def _make_argv(batch: Batch, job: Job, tree: str) -> List[str]:
    argv = job.argv
    if job.container:
        divided = bool(_DIVIDERS & set(tree))
        argv = [_fill(word, batch, tree) for word in (job.quoted_argv if divided else argv)]
        argv[0] = _find_binary()
    return argv + ([str(count_cores())] if job.takes_cores else [])


def _fill(word: str, batch: Batch, tree: str) -> str:
    return word.replace(QUOTED_TREE, tree.replace('"', '""')).replace(TREE, tree).replace(ROOT, batch.root)


def _find_binary() -> str:
    return next((binary for binary in _BINARIES if shutil.which(binary)), _BINARIES[0])


def _exit_code(ended: Ended, verdict: Verdict) -> int:
    """As a shell says it; Slurm shows it."""
    if verdict.outcome == "done":
        return 0
    if ended.signal is not None:
        return 128 + ended.signal
    return ended.exit_code or 1

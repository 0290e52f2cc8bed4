"""A job's attempts, one after the other in one allocation, until one succeeds or none is left."""

import os
import shutil
import signal
import time
from typing import Any, Dict, List, Optional, Tuple

from .archiving import STDERR, STDOUT, archive, list_attempts, set_aside
from .records import QUOTED_TREE, ROOT, TREE, Batch, Job
from .running import Ended, Task, run
from .surroundings import count_cores, hide_machine, make_environment
from .trees import SAVE, copy_built, make_container_folders, make_tree, prepare, remove
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
    if job.on_evict:
        # Where it comes while files are copied, it waits until the job runs.
        signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, job.on_evict)})
    tree = batch.work(job.job)
    resume = _find_saves(batch, job, tree, before)
    if before:
        set_aside(batch, job.job, before["attempt"])
        kept.append(before["attempt"])
    _make(batch, tree)
    attempt, left = max(kept or [0]) + 1, job.retries
    while True:
        ended, verdict = _run_attempt(batch, job, tree, attempt, resume, begin_s)
        # Told to end by Slurm, we have no time for another one.
        again = verdict.outcome == "failed" and ended.stopped != "killed" and left > 0
        name = f"{job.job}~{attempt}" if again else job.job
        record = make_record(batch, job, attempt, ended, verdict)
        archive(batch, record, _output(tree), os.path.join(tree, SAVE), name)
        print(f"{job.job}, attempt {attempt}: {verdict.outcome} {verdict.reason}", flush=True)
        if not again:
            break
        attempt, left, resume = attempt + 1, left - 1, ""
    remove(tree)
    remove(tree + ".out")
    return _exit_code(ended, verdict)


def _make(batch: Batch, tree: str) -> None:
    if batch.build:
        copy_built(batch, tree)
    else:
        make_tree(batch, tree)
    remove(tree + ".out")
    os.makedirs(tree + ".out")


def _output(tree: str) -> Tuple[str, str]:
    return os.path.join(tree + ".out", STDOUT), os.path.join(tree + ".out", STDERR)


def _find_saves(batch: Batch, job: Job, tree: str, record: Optional[Dict[str, Any]]) -> str:
    """A copy of what an interrupted attempt saved, if the job wants to go on from that; else nothing."""
    target = tree + ".resume"
    if not job.resume:
        return ""
    left = os.path.join(tree, SAVE)
    if os.path.isdir(left) and os.listdir(left):
        # Its machine died, or Slurm ended it with SIGKILL.
        remove(target)
        os.rename(left, target)
    elif record and record["ending"] in ("killed", "time-limit"):
        _copy_saves(os.path.join(batch.archive, job.job), record, target)
    return target if os.path.isdir(target) else ""


def _copy_saves(folder: str, record: Dict[str, Any], target: str) -> None:
    saved = [one["path"] for one in record["files"] if one["path"] not in (STDOUT, STDERR)]
    if saved:
        remove(target)
    for path in saved:
        place = os.path.join(target, path)
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

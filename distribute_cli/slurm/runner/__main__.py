"""``python3 -m runner build``, ``job NAME``, or ``task LIST``: the line of LIST that Slurm's task has."""

import io
import os
import shutil
import sys
from typing import List

from .archiving import keep_build_output
from .attempts import run_job
from .holding import hold
from .records import Batch, NotBegun, read_batch, read_job
from .running import Task, run
from .surroundings import make_environment, name_node
from .trees import make_tree, remove


def main(arguments: List[str]) -> int:
    """Run what is asked for in the export that is the current folder."""
    # Old Pythons can't print everything in the C locale.
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "backslashreplace", line_buffering=True)
    batch = read_batch(os.getcwd())
    what = arguments[0]
    name = "" if what == "build" else arguments[1] if what == "job" else _read_task(arguments[1])
    try:
        hold(batch.lock(name))
        return run_job(batch, read_job(batch, name)) if name else _build(batch)
    except NotBegun as error:
        print(f"{name or what} isn't begun: {error}")
        return 1


def _read_task(path: str) -> str:
    with open(path, encoding="utf-8") as opened:
        return opened.read().splitlines()[int(os.environ["SLURM_ARRAY_TASK_ID"])]


def _build(batch: Batch) -> int:
    """Build once; what depends on this job begins only if it ends well."""
    if _read_mark(batch) == batch.build_id:
        print("built already")
        return 0
    remove(batch.built_mark)
    tree = batch.built
    make_tree(batch, tree)
    output = os.path.join(batch.root, "build", "output.txt")
    argv = batch.build or ["true"]
    ended = run(Task(argv, tree, make_environment(batch, "", 1, tree), output, output, None, 0, False))
    good = ended.exit_code == 0 and not ended.stopped
    if ended.start_error:
        print("it could not be started: " + ended.start_error)
    with open(output, "rb") as opened:
        sys.stdout.flush()
        shutil.copyfileobj(opened, sys.stdout.buffer)
    keep_build_output(batch, output, name_node())
    if good:
        _mark(batch)
        return 0
    remove(tree)
    return ended.exit_code or 1


def _read_mark(batch: Batch) -> str:
    """Which build it was that ended well; empty if none did."""
    try:
        with open(batch.built_mark) as opened:
            return opened.read()
    except FileNotFoundError:
        return ""


def _mark(batch: Batch) -> None:
    """By a rename: an empty mark would be one of no build."""
    private = batch.built_mark + ".new"
    with open(private, "w") as opened:
        opened.write(batch.build_id)
    os.rename(private, batch.built_mark)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

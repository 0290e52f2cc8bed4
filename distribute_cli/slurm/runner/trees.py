"""What a build and a job find: the same folders as on a node of a spool."""

import os
import shutil
import stat
import subprocess
from typing import Iterator

from .records import Batch, Job

SAVE = "distribute_save"
_DEEPEST = 200


def make_tree(batch: Batch, tree: str) -> None:
    """Make it anew, as a build shall find it."""
    remove(tree)
    for name in ("initial_files", "input", SAVE):
        os.makedirs(os.path.join(tree, name))
    shared = os.path.join(batch.root, "initial_files")
    for name in ("initial_files", "input"):
        _copy_files(shared, os.path.join(tree, name))
    script = os.path.join(batch.root, "build", "build.py")
    if os.path.exists(script):
        shutil.copy(script, os.path.join(tree, "build.py"))
    if batch.links:
        _link_inputs(tree)


def copy_built(batch: Batch, tree: str) -> None:
    """Make ``tree`` a copy of the one that was built. Raises OSError."""
    remove(tree)
    os.makedirs(os.path.dirname(tree), exist_ok=True)
    done = subprocess.run(
        ["cp", "-a", "--reflink=auto", "--", batch.built, tree],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if done.returncode:
        raise OSError("the built folder can't be copied: " + done.stderr.decode(errors="replace").strip())


def prepare(batch: Batch, job: Job, tree: str, resume: str) -> None:
    """Rebuild ``input/`` and empty ``distribute_save/``; ``resume`` is what an earlier attempt saved."""
    inputs = os.path.join(tree, "input")
    for name in ("input", SAVE):
        remove(os.path.join(tree, name))
        os.mkdir(os.path.join(tree, name))
    # A build may change what it was given, and that counts; but not a link or a folder in its place.
    _copy_files(os.path.join(batch.root, "initial_files"), inputs)
    _copy_files(os.path.join(tree, "initial_files"), inputs, only=os.path.join(batch.root, "initial_files"))
    folder = batch.job_folder(job.job)
    _copy_files(os.path.join(folder, "input"), inputs)
    script = os.path.join(folder, "job.py")
    if os.path.exists(script):
        remove(os.path.join(tree, "job.py"))
        shutil.copy(script, os.path.join(tree, "job.py"))
    if batch.links:
        _link_inputs(tree)
    if resume:
        remove(os.path.join(inputs, "resume"))
        os.rename(resume, os.path.join(inputs, "resume"))


def make_container_folders(job: Job, tree: str) -> None:
    """Fresh, empty folders of one container: its own place to write, and one for each mount."""
    for name in job.folders:
        remove(os.path.join(tree, name))
        os.makedirs(os.path.join(tree, name))


def unlock(tree: str) -> None:
    """Let us read what a job saved, and enter its folder, whatever modes it left; no link is followed."""
    if os.path.islink(tree) or not os.path.isdir(tree):
        return
    _open_folder(tree)
    waiting = [(os.path.join(tree, SAVE), 0)]
    while waiting:
        folder, depth = waiting.pop()
        if depth > _DEEPEST or os.path.islink(folder) or not os.path.isdir(folder):
            continue
        _open_folder(folder)
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, depth + 1))
            elif entry.is_file(follow_symlinks=False):
                mode = entry.stat(follow_symlinks=False).st_mode
                if not mode & stat.S_IRUSR:
                    os.chmod(entry.path, stat.S_IMODE(mode) | stat.S_IRUSR)


def _open_folder(path: str) -> None:
    mode = os.stat(path).st_mode
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(path, stat.S_IMODE(mode) | stat.S_IRWXU)


def remove(path: str) -> None:
    """Whatever it is; a link is removed, not what it leads to."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.lexists(path):
        _open_folder(path)
        for folder, folders, _ in os.walk(path):
            for name in folders:
                inner = os.path.join(folder, name)
                if not os.path.islink(inner):
                    os.chmod(inner, 0o700)
        shutil.rmtree(path)


def _regular_files(folder: str) -> Iterator[str]:
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield name


def _copy_files(source: str, target: str, only: str = "") -> None:
    """The regular files of a folder; with ``only``, those that this folder has too."""
    for name in _regular_files(source):
        if only and not os.path.exists(os.path.join(only, name)):
            continue
        path = os.path.join(target, name)
        remove(path)
        shutil.copyfile(os.path.join(source, name), path)
        executable = os.access(os.path.join(source, name), os.X_OK)
        os.chmod(path, 0o755 if executable else 0o644)


def _link_inputs(tree: str) -> None:
    """Let each file of ``input/`` appear beside it too, so that ``./solver a.json`` works."""
    for name in os.listdir(tree):
        path = os.path.join(tree, name)
        if os.path.islink(path) and os.readlink(path).startswith("input/"):
            os.unlink(path)
    for name in _regular_files(os.path.join(tree, "input")):
        # What the build left under that name stays.
        if not os.path.lexists(os.path.join(tree, name)):
            os.symlink("input/" + name, os.path.join(tree, name))

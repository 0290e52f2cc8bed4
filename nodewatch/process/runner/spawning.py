"""Starting the job itself: outputs, search path, a clean slate of signals and descriptors."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

from . import layout
from .forking import Unsupported, spawn_into
from .groups import Group

# Shortages of the node: another moment or another node may start the same job.
_SHORTAGES = {errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE}
_RESETTABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


class NotStarted(Exception):
    """The node could not start the run; the job itself is not to blame. Carries the text of why."""


class Unstartable(Exception):
    """The job can't be started by any try: no such program, and the like. Carries the text of why."""


class _On:
    """This process is on ``cpus`` meanwhile, so that what it starts is born there."""

    def __init__(self, cpus: list[int] | None) -> None:
        self._cpus, self._own = cpus, os.sched_getaffinity(0)

    def __enter__(self) -> None:
        if self._cpus:
            try:
                os.sched_setaffinity(0, self._cpus)
            except OSError as trouble:
                raise NotStarted(f"CPUs {self._cpus}: {trouble.strerror}") from trouble

    def __exit__(self, *error: object) -> None:
        os.sched_setaffinity(0, self._own)


def start(request: dict[str, Any], group: Group | None = None) -> int:
    """Start a job in ``group`` and a session of its own; returns its pid. This process stays as it is.

    The job's descriptors are 0 (empty), 1 and 2; no signal is blocked or ignored. Raises Unstartable or
    NotStarted.
    """
    outputs: list[int] = []
    try:
        for path in (request["stdout"], request["stderr"]):
            outputs.append(_open_output(path))
        os.chdir(request["cwd"])
        with _On(request["limits"]["cpus"]):
            return _spawn(request["argv"], request["env"], request["run_dir"], outputs, group)
    except OSError as trouble:
        raise NotStarted(f"{trouble.filename}: {trouble.strerror}") from trouble
    finally:
        os.chdir("/")
        for output in outputs:
            os.close(output)


def _open_output(path: str) -> int:
    """Empty a file, and append to it, so that two writers of one file don't overwrite each other."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)


def _spawn(
    argv: list[str], env: dict[str, str], run_dir: str, outputs: list[int], group: Group | None
) -> int:
    env = {**env, layout.RUN_VARIABLE: run_dir}
    troubles: list[str] = []
    for program in _candidates(argv[0], env):
        try:
            return _spawn_in(group, program, argv, env, outputs)
        except (FileNotFoundError, NotADirectoryError, PermissionError) as trouble:
            troubles.append(_explain(program, trouble))
        except OSError as trouble:
            if trouble.errno in _SHORTAGES:
                raise NotStarted(_explain(program, trouble)) from trouble
            raise Unstartable(_explain(program, trouble)) from trouble
        except ValueError as trouble:
            raise Unstartable(f"{program}: {trouble}") from trouble
    told = [text for text in troubles if os.strerror(errno.ENOENT) not in text]
    if "/" in argv[0] or told:
        raise Unstartable((told or troubles)[0])
    raise Unstartable(f"{argv[0]}: not found in PATH ({env.get('PATH', os.defpath)})")


def _candidates(program: str, env: dict[str, str]) -> list[str]:
    """As execvp(3) looks, but in the PATH of the job, not in that of the daemon."""
    if "/" in program:
        return [program]
    folders = env.get("PATH", os.defpath).split(os.pathsep)
    return [os.path.join(folder or ".", program) for folder in folders]  # noqa: PTH118


def _spawn_in(
    group: Group | None, program: str, argv: list[str], env: dict[str, str], outputs: list[int]
) -> int:
    if group is None:
        return _spawn_program(program, argv, env, outputs)
    try:
        return spawn_into(group.path, program, argv, env, outputs)
    except Unsupported:
        group.enter()
        try:
            return _spawn_program(program, argv, env, outputs)
        finally:
            group.leave()


def _spawn_program(program: str, argv: list[str], env: dict[str, str], outputs: list[int]) -> int:
    # posix_spawn and not fork: the child borrows our memory until its exec, which halves the cost, and a
    # failed exec comes back as an error. A session of its own keeps `kill -9 0` in a job away from its
    # runner.
    return os.posix_spawn(
        program,
        argv,
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, outputs[0], 1),
            (os.POSIX_SPAWN_DUP2, outputs[1], 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=_RESETTABLE,
    )


def _explain(program: str, trouble: OSError) -> str:
    if isinstance(trouble, FileNotFoundError) and os.path.exists(program):
        return f"{program}: the interpreter that its first line names is missing"
    if trouble.errno == errno.ENOEXEC:
        return f"{program}: {trouble.strerror} (a script needs a first line such as #!/bin/sh)"
    return f"{program}: {trouble.strerror}"

"""Starting a process that is born in a control group: clone3(2) with CLONE_INTO_CGROUP, since Linux 5.7.

Moving into the group and back costs a grace period of the kernel, some 10 ms for each run; this costs none.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from typing import NoReturn

_LIBC = ctypes.PyDLL(None, use_errno=True)
_SYS_CLONE3 = 435  # on all architectures, see asm-generic/unistd.h
_CLONE_INTO_CGROUP = 0x2_0000_0000
_RESETTABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.E2BIG, errno.EPERM}  # old kernels, and containers' filters

_FIELDS = "flags pidfd child_tid parent_tid exit_signal stack stack_size tls set_tid set_tid_size cgroup"


class Unsupported(Exception):
    """This kernel, or what guards it, has no such call."""


class _Arguments(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in _FIELDS.split()]


def spawn_into(group: str, program: str, argv: list[str], env: dict[str, str], outputs: list[int]) -> int:
    """As ``posix_spawn`` of a job, in the folder ``group``. Raises what that raises, and Unsupported."""
    if not os.path.exists(program):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    told, tell = os.pipe()
    try:
        pid = _fork_into(group)
        if pid == 0:
            _become(program, argv, env, outputs, tell)
    finally:
        os.close(tell)
    with open(told, "rb") as answer:
        # Its end closes with the exec.
        trouble = answer.read()
    if not trouble:
        return pid
    os.waitpid(pid, 0)
    number, _, text = trouble.decode().partition(" ")
    if number == "0":
        raise ValueError(text)
    raise OSError(int(number), os.strerror(int(number)), program)


def _fork_into(group: str) -> int:
    """As fork(2), but for the handlers that the C library and Python run around it: a single thread, which
    goes on to an exec, needs none of them."""
    folder = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        arguments = _Arguments(flags=_CLONE_INTO_CGROUP, exit_signal=signal.SIGCHLD, cgroup=folder)
        pid: int = _LIBC.syscall(_SYS_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    finally:
        os.close(folder)
    if pid < 0:
        number = ctypes.get_errno()
        if number in _UNKNOWN:
            raise Unsupported
        raise OSError(number, os.strerror(number), group)
    return pid


def _become(program: str, argv: list[str], env: dict[str, str], outputs: list[int], tell: int) -> NoReturn:
    """In the child: the program, or a word to the parent on why not."""
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        for signum in _RESETTABLE:
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(program, argv, env)
    except OSError as trouble:
        os.write(tell, str(trouble.errno).encode())
    except ValueError as trouble:
        os.write(tell, f"0 {trouble}".encode())
    finally:
        os._exit(127)

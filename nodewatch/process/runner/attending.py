"""One run: take its folder, start the job, wait, sweep up after it, write the record."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import time
from typing import Any

from . import layout, procfs, wire
from .spawning import NotStarted, Unstartable, start
from .sweeping import Brood

_LEFTOVER_GRACE_S = 1.0
_RECORD_PATIENCE_S = 600.0
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


class Attendant:
    """Attends to one run after the other."""

    def __init__(self) -> None:
        me = procfs.look(os.getpid())
        assert me is not None, "/proc shows this process"
        self._identity = {
            "runner_pid": me.pid,
            "runner_start": me.start,
            "boot_id": procfs.read_boot_id(),
        }

    def attend(self, request: dict[str, Any], control: socket.socket) -> None:
        """From a request to the record of its end; nothing of the run is left in this process then.

        Raises NotStarted: nothing runs, and the folder is as it was. After any other exception this process
        must end: who adopts a run relies on it that a runner without a record still attends to it.
        """
        started_at, begin_s = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
        started = json.dumps({**self._identity, "started_at": started_at, "reaped_cpu_s": _reaped_cpu_s()})
        try:
            page = layout.Page(request["run_dir"], started)
        except OSError as trouble:
            raise NotStarted(f"{request['run_dir']}: {trouble.strerror}") from trouble
        try:
            ending = _run(request, page, control, started)
            wall_s = time.clock_gettime(time.CLOCK_BOOTTIME) - begin_s
            times = {"started_at": started_at, "ended_at": time.time(), "wall_s": wall_s}
            _write_record(page, {**times, **ending})
        finally:
            page.close()
        wire.tell(control, wire.ENDED)


def _reaped_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _run(
    request: dict[str, Any], page: layout.Page, control: socket.socket, started: str
) -> dict[str, object]:
    """Start the job, and stay until nothing of it is left; how it ended. Raises NotStarted."""
    start_error = None
    try:
        brood = Brood(start(request))
    except NotStarted:
        page.withdraw()
        raise
    except Unstartable as trouble:
        brood = Brood(None)
        start_error = layout.shorten(str(trouble))
    wire.tell(control, started.encode())
    reason = _wait(brood, page)
    grace_s: float = request["grace_s"]
    if not brood.empty:
        brood.end(grace_s if brood.status is None else min(grace_s, _LEFTOVER_GRACE_S))
    return {**_describe(brood), "kill_reason": reason, "start_error": start_error}


def _wait(brood: Brood, page: layout.Page) -> str | None:
    """Until the job's first process has ended (None), or somebody asks to end the job (the reason)."""
    while True:
        brood.reap()
        if brood.empty or brood.status is not None:
            return None
        # RACE: SIGUSR1 may have been meant for the run before this one, whose reason stands in its own page.
        if signal.sigwait({signal.SIGCHLD, signal.SIGUSR1}) == signal.SIGUSR1:
            reason = page.read_request()
            if reason:
                return reason


def _describe(brood: Brood) -> dict[str, object]:
    code = None if brood.status is None else os.waitstatus_to_exitcode(brood.status)
    return {
        "exit_code": code if code is not None and code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
        "user_cpu_s": brood.user_cpu_s,
        "system_cpu_s": brood.system_cpu_s,
        "peak_memory_bytes": brood.peak_memory_bytes,
        "leftovers_killed": len(brood.struck),
    }


def _write_record(page: layout.Page, record: dict[str, object]) -> None:
    """Write it, waiting for room where even overwriting needs some (btrfs, ZFS)."""
    deadline_s = time.monotonic() + _RECORD_PATIENCE_S
    while True:
        try:
            page.write_record(record)
            return
        except OSError as trouble:
            if trouble.errno not in _FULL_DISK or time.monotonic() > deadline_s:
                raise
        signal.sigtimedwait({signal.SIGUSR1}, 1.0)

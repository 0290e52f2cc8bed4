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
from .groups import Group
from .measuring import measure
from .spawning import NotStarted, Unstartable, start
from .sweeping import Brood
from .watching import Watch

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
        since = {"started_at": started_at, "reaped_cpu_s": _reaped_cpu_s(), "begin_s": time.monotonic()}
        started = json.dumps({**self._identity, **since})
        try:
            page = layout.Page(request["run_dir"], started)
        except OSError as trouble:
            raise NotStarted(f"{request['run_dir']}: {trouble.strerror}") from trouble
        try:
            group = _make_group(request["group"], request["limits"], page)
            ending = _run(request, group, page, control, started)
            wall_s = time.clock_gettime(time.CLOCK_BOOTTIME) - begin_s
            times = {"started_at": started_at, "ended_at": time.time(), "wall_s": wall_s}
            _write_record(page, {**times, **ending})
        finally:
            page.close()
        wire.tell(control, wire.ENDED)


def _reaped_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _make_group(wanted: dict[str, str] | None, limits: dict[str, Any], page: layout.Page) -> Group | None:
    """None if there shall be none, or none can be made: then the job runs without."""
    if wanted is None:
        return None
    group = Group(wanted["path"], wanted["home"])
    try:
        group.make()
        group.bind(limits["cpus"])
        # Before anything runs: who looks after a runner that was killed must know where its job is.
        page.note_group(group.path)
    except OSError:
        group.remove()
        page.forget_group()
        return None
    return group


def _run(
    request: dict[str, Any], group: Group | None, page: layout.Page, control: socket.socket, started: str
) -> dict[str, object]:
    """Start the job, and stay until nothing of it is left; how it ended. Raises NotStarted."""
    limits, before = request["limits"], procfs.read_transfers()
    start_error = None
    try:
        brood = _start(request, group, page)
    except NotStarted:
        if group:
            group.remove()
            page.forget_group()
        page.withdraw()
        raise
    except Unstartable as trouble:
        brood = Brood(None)
        start_error = layout.shorten(str(trouble))
    if group:
        group.cap(limits["memory_bytes"], limits["pids"])
    wire.tell(control, started.encode())
    watch = Watch(limits["memory_bytes"], limits["pids"], group)
    reason = _wait(brood, page, watch)
    if not brood.empty:
        brood.end(_grace_s(request["grace_s"], brood, watch))
    used = measure(brood, group, watch, before)
    if group:
        group.clear()
    return {**_describe(brood), **used, "kill_reason": reason, "start_error": start_error}


def _start(request: dict[str, Any], group: Group | None, page: layout.Page) -> Brood:
    """Raises NotStarted or Unstartable."""
    job = start(request, group)
    contained = request["contained"]
    if contained and (first := procfs.look(job)):
        # What serves a container's image has nothing of the job's environment: only its session tells.
        page.note_session(first.pid, first.start)
    return Brood(job, group, contained)


def _grace_s(asked_s: float, brood: Brood, watch: Watch) -> float:
    if watch.over:
        return 0.0  # it would go on taking memory from others
    return asked_s if brood.status is None else min(asked_s, _LEFTOVER_GRACE_S)


def _wait(brood: Brood, page: layout.Page, watch: Watch) -> str | None:
    """Until the job's first process has ended or has too much memory (None), or somebody asks to end the job
    (the reason)."""
    while True:
        brood.reap()
        if brood.empty or brood.status is not None or watch.look():
            return None
        # RACE: SIGUSR1 may have been meant for the run before this one, whose reason stands in its own page.
        received = signal.sigtimedwait({signal.SIGCHLD, signal.SIGUSR1}, watch.left_s())
        if received and received.si_signo == signal.SIGUSR1:
            reason = page.read_request()
            if reason:
                return reason


def _describe(brood: Brood) -> dict[str, object]:
    code = None if brood.status is None else os.waitstatus_to_exitcode(brood.status)
    return {
        "exit_code": code if code is not None and code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
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

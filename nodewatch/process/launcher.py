"""Starting runs: the daemon's side of the small processes that attend to them, one run after the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nodewatch.process.delegation import Delegation
from nodewatch.process.errors import LauncherDied, LaunchFailed
from nodewatch.process.records import RunSpec, Started, was_started
from nodewatch.process.run import Run, is_readable
from nodewatch.process.runner import layout, wire

# The folder above the runner's program goes last on the path, so that nothing there can hide a standard
# module.
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); import runner.serving as s; s.serve(int(sys.argv[2]))"
_MESSAGE_BYTES = 4096
_ANSWER_S = 60.0
_END_S = 5.0


class _Runner:
    """A runner process and our end of its control socket; closing that end makes it exit after its run."""

    def __init__(self, take_back: Callable[[_Runner], None]) -> None:
        self._take_back = take_back
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # -I -S: no site-packages, no user settings. Its own session: Ctrl-C in the daemon's terminal
            # isn't for it.
            arguments = [str(Path(__file__).parent), str(theirs.fileno())]
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                cwd="/",
            )

    def ask(self, request: dict[str, object]) -> bytes:
        """The answer to a request; empty if the runner has died.

        One that doesn't answer in a minute is killed: only then it is certain whether it has begun the run.
        """
        with suppress(ConnectionError):
            wire.send_request(self._control, request)
        if not is_readable(self, _ANSWER_S):
            self.process.kill()
        return self._receive()

    def _receive(self, flags: int = 0) -> bytes:
        """The next message; empty if the runner is gone."""
        try:
            message = self._control.recv(_MESSAGE_BYTES, flags)
        except ConnectionError:
            message = b""
        if not message:
            # RACE: the socket closes a moment before the process is gone.
            self.process.wait()
        return message

    def fileno(self) -> int:
        return self._control.fileno()

    def settle(self) -> None:
        self._receive(socket.MSG_PEEK)

    def send(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    def release(self) -> None:
        self._take_back(self)

    def has_ended_its_run(self) -> bool:
        return is_readable(self, 0) and self._receive() == wire.ENDED

    def leave(self) -> None:
        """Don't use it any more; a run goes on, and the runner ends with it."""
        self._control.close()

    def end(self) -> None:
        """End an idle one."""
        self.leave()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Launcher:
    """Starts runs that outlive this process. One a daemon; may be used by several threads.

    There are as many runners as there were runs at one time, at least one; idle ones end with us.
    """

    def __init__(self, delegation: Delegation | None = None) -> None:
        """With a ``delegation``, in whose ``home`` this process is, each run gets a control group."""
        self._delegation = delegation
        self._lock = threading.Lock()
        self._closed = False
        self._left: list[_Runner] = []
        self._idle = [_Runner(self._take_back)]

    def launch(self, run_dir: Path, spec: RunSpec) -> Run:
        """Start ``spec`` in the existing folder ``run_dir``, which never had a run.

        RACE: if this process dies in here, the run may still be about to start. The next daemon that doesn't
        find it started may launch in the same folder, where only one of the two can win, or remove the
        folder, without which nothing starts.

        On return the program runs, or its exit record says why it could not be executed. Raises LaunchFailed
        if the node can't start it now, and LauncherDied. After either look whether it was started: another
        daemon's request may have won, or the runner may have begun it before it died.
        """
        run_dir = Path(os.path.abspath(run_dir))
        request = spec.to_request(run_dir, self._delegation)
        runner = self._take()
        answer = runner.ask(request)
        if not answer and not was_started(run_dir):
            # It may have died long ago, and others with it.
            self._leave(runner)
            runner = _Runner(self._take_back)
            answer = runner.ask(request)
        if not answer:
            self._leave(runner)
            raise _explain_silence(run_dir, runner.process.returncode)
        refusal = wire.read_refusal(answer)
        if refusal is not None:
            self._keep(runner)
            raise LaunchFailed(f"no run could be started in {run_dir}", refusal)
        return Run(run_dir, Started.from_json(answer.decode()), runner)

    def close(self) -> None:
        """End the idle runners. Runs go on."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for runner in idle:
            runner.end()
        self._reap()

    def _take(self) -> _Runner:
        with self._lock:
            if self._closed:
                raise LauncherDied("the launcher is closed")
            if self._idle:
                return self._idle.pop()
        return _Runner(self._take_back)

    def _take_back(self, runner: _Runner) -> None:
        if runner.has_ended_its_run():
            self._keep(runner)
        else:
            self._leave(runner)

    def _keep(self, runner: _Runner) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(runner)
                return
        runner.end()

    def _leave(self, runner: _Runner) -> None:
        runner.leave()
        with self._lock:
            self._left.append(runner)
        self._reap()

    def _reap(self) -> None:
        """They are our children still."""
        with self._lock:
            self._left = [runner for runner in self._left if runner.process.poll() is None]

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _explain_silence(run_dir: Path, exit_status: int) -> LauncherDied:
    what = "its job may run" if was_started(run_dir) else "nothing was started"
    return LauncherDied(
        f"the runner for {run_dir} died: exit status {exit_status}",
        what,
        f"look for the out-of-memory killer in the kernel's log, and for {run_dir / layout.TROUBLE}",
    )

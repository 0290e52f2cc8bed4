"""The node of a private spool, started when it is needed: exactly one, however many processes ask at once.

Two files in its scratch folder are locked by flock(2), which the kernel undoes when a process ends:

=============  ==========================================================================================
``lock``       by a ``nodewatch``, from its start to its end
``door.lock``  by whoever asks whether one lives, and starts one if none does; and by a ``nodewatch`` that
               ends because it is idle, from its last look at the spool until after it has let go of ``lock``
=============  ==========================================================================================

Who submits puts the job into the spool first, and asks at the door then. So either the node that lives
there looks at the spool once more before it ends, or it has ended by the time that the answer is given.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from filelock import FileLock, Timeout

from distribute_compute_config.errors import DistributeError
from distribute_compute_config.quantities import format_duration
from spoold.private import PrivateSpool
from spoold.snapshot import read_node

#: What the node of a private spool is called.
NODE = "local"
ALIVE_NAME = "lock"
DOOR_NAME = "door.lock"

_START_S = 30.0
_POLL_S = 0.02
_LOG_LINES = 5
_LOG_BYTES_MAX = 1 << 20


class NodeFailed(DistributeError):
    """The node of a private spool doesn't come up, or doesn't end."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How the node is started; None leaves it to the node.

    It ends after ``idle_exit_s`` seconds without anything to do. Or, with its jobs, when the other end of
    the pipe ``leash``, a descriptor, is closed.
    """

    cores: int | None = None
    capabilities: tuple[str, ...] = ()
    idle_exit_s: float | None = None
    leash: int | None = None
    verbose: bool = False


class LocalNode:
    """A node of ``private`` as seen by one process, be it this one or another one that started it.

    Nothing that is configured for this machine as a part of a lab counts for it.
    """

    def __init__(self, private: PrivateSpool, options: NodeOptions, name: str = NODE) -> None:
        self.name = name
        self.scratch, self.log = private.folder / f"{name}.scratch", private.folder / f"{name}.log"
        self._spool, self._options = private.spool, options
        self._process: subprocess.Popen[bytes] | None = None

    def ensure(self) -> bool:
        """Start the node unless it lives; whether it was started. What is in the spool by now is not left.

        The options count only for a node that this starts. Who waits for jobs calls this now and then: a node
        that was killed is replaced, and its jobs go on. Raises NodeFailed.
        """
        self.scratch.mkdir(exist_ok=True)
        # Whoever is inside for so long has a node that is just ending.
        try:
            with FileLock(self.scratch / DOOR_NAME, timeout=_START_S):
                if self.lives():
                    return False
                self._bring_up()
        except Timeout as error:
            raise self._explain(f"somebody has been starting it for {_START_S:g} s") from error
        return True

    def _bring_up(self) -> None:
        process = self._process = self._start()
        # As a zombie it would look alive to who waits for its leases.
        Thread(target=process.wait, name="reaper", daemon=True).start()
        if not self._wait(lambda: self.lives() or process.poll() is not None, _START_S):
            process.kill()
            raise self._explain(f"it doesn't start within {_START_S:g} s")
        if not self.lives():
            raise self._explain("it ended at once")

    def lives(self) -> bool:
        """Whether a node uses the scratch folder."""
        path = self.scratch / ALIVE_NAME
        if not path.exists():
            # To ask must not make a folder look as if a node had used it.
            return False
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
        return False

    def wait_ready(self, within_s: float = _START_S) -> None:
        """Until the node that lives has said in the spool what it is. Raises NodeFailed."""
        if not self._wait(self._is_ready, within_s):
            raise self._explain(f"it isn't ready after {within_s:g} s")

    @property
    def pid(self) -> int | None:
        """That of the node which this process started, as long as it lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def wait_end(self, within_s: float) -> bool:
        """Whether no node lives, at the latest after ``within_s`` seconds."""
        # Its process ends a moment after it has let go of the scratch folder.
        return self._wait(lambda: not self.lives() and self.pid is None, within_s)

    def stop(self, within_s: float) -> None:
        """End whatever node lives, and the jobs that run, which stay in the spool. Raises NodeFailed."""
        argv = [*self._argv(), "--stop", "--requeue"]
        try:
            ended = subprocess.run(
                argv, capture_output=True, text=True, env=_environment(), cwd="/", timeout=within_s
            )
        except subprocess.TimeoutExpired as error:
            raise self._explain(f"it doesn't end within {within_s:g} s") from error
        if ended.returncode:
            raise self._explain(ended.stderr.strip())

    def last_lines(self) -> str:
        """What the node has said last."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return " | ".join(text.splitlines()[-_LOG_LINES:])

    def _is_ready(self) -> bool:
        info = read_node(self._spool, self.name)
        try:
            pid = int((self.scratch / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return False
        return info is not None and info.pid == pid and self.lives()

    def _wait(self, look: Callable[[], bool], within_s: float) -> bool:
        deadline_s = time.monotonic() + within_s
        while not look():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        leash = self._options.leash
        with open(self.log, _log_mode(self.log)) as opened:
            # A session of its own: Ctrl-C is for whoever started it.
            return subprocess.Popen(
                [*self._argv(), *self._words()],
                stdin=subprocess.DEVNULL if leash is None else leash,
                stdout=opened,
                stderr=opened,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )

    def _argv(self) -> list[str]:
        # -P: nothing in the folder where somebody works stands for a module.
        argv = [sys.executable, "-P", "-m", "nodewatch", "--config", os.devnull, "--no-notices"]
        return [*argv, "--name", self.name, "--spool", str(self._spool.root), "--scratch", str(self.scratch)]

    def _words(self) -> list[str]:
        options = self._options
        argv = ["--cores", str(options.cores)] * (options.cores is not None)
        for capability in options.capabilities:
            argv += ["--capability", capability]
        if options.idle_exit_s is not None:
            argv += ["--idle-exit", format_duration(options.idle_exit_s)]
        argv += ["--leash"] * (options.leash is not None) + ["--verbose"] * options.verbose
        return argv

    def _explain(self, why: str) -> NodeFailed:
        said = self.last_lines()
        return NodeFailed(f"the node {self.name} failed", f"{why}: {said}", f"see: {self.log}")


def _environment() -> dict[str, str]:
    """This process's, without what configures a node of a lab."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NODEWATCH_")}


def _log_mode(log: Path) -> str:
    """What a spool that is used for years keeps of its node's log is bounded."""
    return "wb" if log.exists() and log.stat().st_size > _LOG_BYTES_MAX else "ab"

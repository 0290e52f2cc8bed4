"""A small laboratory: a spool with short times, and real daemons on it that can be frozen, ended and killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodewatch.process import adopt, stop, sweep
from spoold.codec import decode
from spoold.layout import BatchFolder
from spoold.node_records import NodeStatus
from spoold.records import BuildRecord, JobRecord
from spoold.snapshot import find_batch, read_record, read_status, read_tickets
from spoold.spool import Settings, Spool, init_spool
from spoold.tickets import State, Ticket
from tests.support import find_runs, wait_until

#: Everything that a lab waits for comes soon, and is still far from what a busy machine needs.
FAST = Settings(heartbeat_s=0.5, lease_s=4.0, settle_s=0.2, rescan_s=0.25, retry_wait_s=0.0)
_END_S = 20.0


@dataclass(eq=False)
class Daemon:
    """A ``nodewatch`` or ``spoold`` process and all that it said; ``name`` is its node's."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    scratch: Path
    #: When an earlier daemon of its node wrote the report that stood when this one was started, Unix seconds.
    reported_before: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, within_s: float = 20.0) -> None:
        """Until the daemon has logged ``text``."""
        wait_until(lambda: text in self.said, within_s, what=f"{text!r} from {self.name}:\n{self.said}")

    def wait(self, within_s: float = _END_S) -> int:
        """Its exit code, once it has ended by itself."""
        return self.process.wait(within_s)

    def terminate(self, within_s: float = _END_S) -> int:
        """SIGTERM; returns its exit code."""
        self.process.terminate()
        return self.process.wait(within_s)

    def kill(self) -> None:
        """SIGKILL: the daemon alone."""
        self.process.kill()
        self.process.wait(_END_S)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def attempts(self) -> list[Path]:
        """The folders of the attempts that stand on this node's disk."""
        try:
            return sorted(self.scratch.glob("runs/*/*/*"))
        except FileNotFoundError:
            # It tidies up while we look.
            return self.attempts()

    def kill_with_jobs(self) -> None:
        """As if the machine lost its power: the daemon, the runners and the jobs at once, by SIGKILL."""
        self.freeze()
        for folder in self.attempts():
            for run_folder in (folder, folder / "build"):
                run = adopt(run_folder)
                if run:
                    with run:
                        os.kill(run.pid, signal.SIGKILL)
                        run.wait(_END_S)
                    sweep(run_folder)
        self.kill()


@dataclass
class Lab:
    """A spool and its daemons below ``folder``. Leaving it ends everything that was started in it."""

    folder: Path
    settings: Settings = FAST
    logs: Path | None = None
    spool: Spool = field(init=False)
    daemons: list[Daemon] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spool = init_spool(self.folder / "spool", self.settings)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.end_all()
        if kind is None:
            self.check_logs()

    # Daemons

    def node(
        self,
        name: str,
        *arguments: str,
        scratch: Path | None = None,
        before: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        ready: bool = True,
    ) -> Daemon:
        """Start a node's daemon; ``before`` goes in front of its command line."""
        scratch = scratch or self.folder / "scratch" / name
        argv = [
            *before, program("nodewatch"), "--spool", str(self.spool.root), "--name", name,
            "--scratch", str(scratch), "--cores", "2", "--min-free", "1M", *arguments,
        ]  # fmt: skip
        daemon = self._start(name, argv, scratch, env or {})
        if ready:
            # It reports for the first time after it has looked at what an earlier daemon left.
            wait_until(lambda: self.reports(daemon), what=f"{name} is ready:\n{daemon.said}")
        return daemon

    def steward(self, before: Iterable[str] = ()) -> Daemon:
        """Start a ``spoold``; ``before`` goes in front of its command line."""
        argv = [*before, program("spoold"), "--spool", str(self.spool.root)]
        return self._start("spoold", argv, self.folder / "none", {})

    def _start(self, name: str, argv: list[str], scratch: Path, env: Mapping[str, str]) -> Daemon:
        log = (self.logs or self.folder) / f"{name}.{len(self.daemons)}.log"
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", **env}
        with log.open("wb") as output:
            before = read_status(self.spool, name)
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=output, stdout=output, env=own)
        self.daemons.append(Daemon(name, process, log, scratch, before.written_at if before else None))
        return self.daemons[-1]

    def reports(self, daemon: Daemon) -> bool:
        """Whether a node's daemon has reported since it was started."""
        assert daemon.process.poll() is None, f"{daemon.name} has ended:\n{daemon.said}"
        status = read_status(self.spool, daemon.name)
        return status is not None and status.written_at != daemon.reported_before

    # Batches

    def drop(self, name: str, job_file: Mapping[str, Any], files: Mapping[str, str] | None = None) -> str:
        """Drop a folder with a job file and its inputs; returns ``NAMESPACE/BATCH``."""
        private = self.spool.layout.incoming / f".{name}"
        private.mkdir()
        for path, text in (files or {}).items():
            (private / path).write_text(text)
        # Every JSON text is a YAML text.
        (private / "jobs.yaml").write_text(json.dumps(job_file))
        private.rename(private.with_name(name))
        return f"{job_file['meta']['namespace']}/{job_file['meta']['batch_name']}"

    def batch(
        self,
        name: str,
        jobs: Mapping[str, str | Mapping[str, Any]],
        build: str | None = None,
        files: Mapping[str, str] | None = None,
        **meta: Any,
    ) -> str:
        """Submit a command batch: for each job its command, or its whole entry. All get all ``files``."""
        entries = [
            {"name": job, **({"command": given} if isinstance(given, str) else given)}
            for job, given in jobs.items()
        ]
        initialize = {"build": build, "required_files": sorted(files or {})}
        section = {"initialize": {k: v for k, v in initialize.items() if v}, "jobs": entries}
        section = {k: v for k, v in section.items() if v}
        return self.drop(
            name, {"meta": {"namespace": "lab", "batch_name": name, **meta}, "command": section}, files
        )

    def kill(self, key: str, job: str | None = None, reason: str = "") -> None:
        ref = find_batch(self.spool, *key.split("/"))
        assert ref is not None
        ref.folder.kill(job).write_text(reason)

    # Looking

    def place(self, key: str) -> BatchFolder | None:
        ref = find_batch(self.spool, *key.split("/"))
        return ref.folder if ref else None

    def tickets(self, key: str) -> dict[State, list[str]]:
        """The newest ticket of each job, by state; states without any are left out."""
        place = self.place(key)
        found: dict[State, list[str]] = {}
        for state, ticket in read_tickets(self.spool, place).latest().values() if place else ():
            found.setdefault(state, []).append(str(ticket))
        return found

    def state(self, key: str, job: str) -> State | None:
        for state, tickets in self.tickets(key).items():
            if any(Ticket.parse(ticket).job == job for ticket in tickets):
                return state
        return None

    def wait_state(self, key: str, job: str, state: State, within_s: float = 20.0) -> None:
        self.wait(lambda: self.state(key, job) is state, within_s, f"{key}/{job} is {state.value}")

    def wait_finished(self, key: str, within_s: float = 30.0) -> dict[State, list[str]]:
        """The tickets of a batch, once it is closed."""
        namespace, batch = key.split("/")
        finished = self.spool.layout.finished_batch(namespace, batch).path
        self.wait(finished.is_dir, within_s, f"{key} is finished")
        return self.tickets(key)

    def wait(self, look: Callable[[], Any], within_s: float, what: str) -> None:
        """``wait_until``; on a timeout the state of the lab is shown."""
        try:
            wait_until(look, within_s, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from error

    def describe(self) -> str:
        trees = subprocess.run(
            ["find", ".", "-not", "-path", "./store/*"], cwd=self.spool.root, capture_output=True, text=True
        )
        logs = "\n".join(
            f"--- {d.log.name} (exit {d.process.poll()})\n{d.said[-3000:]}" for d in self.daemons
        )
        return f"{trees.stdout}\n{logs}"

    def archived(self, key: str, job: str) -> Path:
        return self.spool.layout.archived_job(*key.split("/"), job)

    def text(self, key: str, job: str, name: str) -> str:
        """The text of an archived file."""
        return (self.archived(key, job) / name).read_text()

    def record(self, key: str, job: str) -> JobRecord:
        record = read_record(self.spool, self.archived(key, job))
        assert record is not None, f"no result of {key}/{job}\n{self.describe()}"
        return record

    def records(self) -> Iterator[JobRecord]:
        """Those of all attempts in the archive."""
        for path in self.spool.layout.archive.glob("*/*/*/.job.json"):
            yield decode(JobRecord, path.read_bytes(), path)

    def build_record(self, key: str, node: str, ok: bool) -> BuildRecord:
        place = self.place(key)
        assert place is not None
        mark = place.build_mark(node, ok)
        return decode(BuildRecord, mark.read_bytes(), mark)

    def status(self, node: str) -> NodeStatus:
        status = read_status(self.spool, node)
        assert status is not None
        return status

    def phase(self, node: str) -> str:
        """What the node says it does: the phase of its first job, or nothing."""
        return next((job.phase for job in self.status(node).jobs), "")

    # The end

    def living(self) -> list[tuple[int, str]]:
        """(pid, command line) of all processes that were started as jobs or builds of this lab."""
        return find_runs(self.folder)

    def end_all(self) -> None:
        """End the daemons, then what they left running."""
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.thaw()
                daemon.process.terminate()
        for daemon in self.daemons:
            try:
                daemon.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for scratch in {daemon.scratch for daemon in self.daemons}:
            for started in scratch.glob("runs/**/started.json"):
                _end_run(started.parent)
        wait_until(lambda: not self.living(), what="no process of a job is left")

    def check_logs(self) -> None:
        """Fail if a daemon crashed, or a thread of it."""
        crashed = [daemon.said for daemon in self.daemons if "Traceback" in daemon.said]
        assert not crashed, crashed[0]


def program(name: str) -> str:
    """The console script of this environment."""
    return str(Path(sys.executable).with_name(name))


def may_not_override() -> tuple[str, ...]:
    """In front of a command line: file modes hold for it, even if we are root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    assert setpriv, "setpriv is a part of util-linux"
    return (setpriv, "--bounding-set", "-dac_override,-dac_read_search", "--")


def _end_run(run_dir: Path) -> None:
    run = adopt(run_dir)
    if run is None:
        sweep(run_dir)
        return
    with run:
        stop(run, "the test is over")
        if not run.wait(1.0):
            os.kill(run.pid, signal.SIGKILL)
            run.wait(5.0)
            sweep(run_dir)

"""Small spools in the shapes that daemons leave, and the real command run on them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from distribute_cli.main import cli
from spoold.codec import encode
from spoold.layout import BatchFolder
from spoold.node_records import NodeInfo, NodeStatus, RunningJob
from spoold.records import ArchivedFile, BatchHeader, BatchJobs, BuildRecord, JobRecord, JobSpec, Outcome
from spoold.spool import Settings, Spool, init_spool
from spoold.tickets import State, Ticket

GIB = 1024**3


@dataclass(frozen=True)
class SpoolBuilder:
    """Writes batches, nodes and results into a spool, without any daemon."""

    spool: Spool

    def batch(
        self,
        key: str,
        tickets: dict[State, list[str]],
        finished: bool = False,
        age_s: float = 60.0,
        specs: dict[str, JobSpec] | None = None,
        **header: Any,
    ) -> BatchFolder:
        """``tickets`` names the tickets of each state, as in ``{State.DONE: ["job_1~1@alpha"]}``."""
        namespace, name = key.split("/")
        place = self.spool.layout.finished_batch if finished else self.spool.layout.batch
        folder = place(namespace, name)
        for state in State:
            folder.state(state).mkdir(parents=True)
        folder.builds.mkdir()
        jobs = sorted(Ticket.parse(text).job for texts in tickets.values() for text in texts)
        for state, texts in tickets.items():
            for text in texts:
                folder.state(state).joinpath(text).touch()
        record = BatchHeader(
            1,
            f"{name}.yaml",
            namespace,
            name,
            "command",
            "anna",
            os.getuid(),
            time.time() - age_s,
            "",
            len(jobs),
        )
        folder.header.write_bytes(encode(replace(record, **header)))
        known = specs or {}
        folder.jobs.write_bytes(
            encode(BatchJobs(tuple(known.get(j, JobSpec(j, command="true")) for j in jobs)))
        )
        archived = self.spool.layout.archived_batch(namespace, name)
        archived.mkdir(parents=True)
        folder.job_file.write_text(f"meta: {{batch_name: {name}, namespace: {namespace}}}\n")
        (archived / "job.yaml").write_bytes(folder.job_file.read_bytes())
        (archived / "batch.json").write_bytes(folder.header.read_bytes())
        return folder

    def result(self, key: str, ticket: str, files: dict[str, str], folder: str = "", **changes: Any) -> Path:
        """The archived result of an attempt, in ``JOB`` unless ``folder`` says otherwise."""
        namespace, name = key.split("/")
        parsed = Ticket.parse(ticket)
        place = self.spool.layout.archived_batch(namespace, name) / (folder or parsed.job)
        entries = []
        for path, text in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)
            data = text.encode()
            entries.append(ArchivedFile(path, len(data), hashlib.sha256(data).hexdigest()))
        place.mkdir(parents=True, exist_ok=True)
        now = time.time()
        record = JobRecord(
            namespace, name, parsed.job, parsed.attempt, parsed.node or "", Outcome.DONE, "",
            now - 30, now - 10, 20.0, exit_code=0, files=tuple(entries), cores=4, submitter="anna",
        )  # fmt: skip
        (place / ".job.json").write_bytes(encode(replace(record, **changes)))
        return place

    def node(
        self,
        name: str,
        capabilities: tuple[str, ...] = (),
        silent_s: float | None = 0.0,
        jobs: tuple[RunningJob, ...] = (),
        gpus: int = 0,
        **status: Any,
    ) -> None:
        """A workstation whose lease was refreshed ``silent_s`` seconds ago; None: its daemon has stopped."""
        folder = self.spool.layout.node(name)
        folder.logs.mkdir(parents=True)
        now = time.time()
        info = NodeInfo(
            name, f"{name}.lab", 100, 8, 32 * GIB, capabilities, "/scratch", "0.1.0", now - 3600, gpus
        )
        folder.info.write_bytes(encode(info))
        folder.running.write_bytes(encode(replace(NodeStatus(now, jobs), **status)))
        if silent_s is not None:
            folder.lease.touch()
            os.utime(folder.lease, (now - silent_s, now - silent_s))

    def build(self, folder: BatchFolder, node: str, ok: bool, reason: str = "") -> None:
        """What came of the build on ``node``."""
        record = BuildRecord(node, ok, time.time(), 3.0, reason)
        folder.build_mark(node, ok).write_bytes(encode(record))

    def live_log(self, key: str, ticket: str, text: str, stream: str = "stdout") -> Path:
        """The live copy of a running job's output."""
        namespace, name = key.split("/")
        parsed = Ticket.parse(ticket)
        path = self.spool.layout.node(parsed.node or "").log(namespace, name, parsed, stream)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def move(self, folder: BatchFolder, source: State, old: str, target: State, new: str) -> None:
        """One step of a job's life."""
        os.rename(folder.state(source) / old, folder.state(target) / new)


@pytest.fixture
def builder(tmp_path: Path) -> SpoolBuilder:
    return SpoolBuilder(init_spool(tmp_path / "spool", Settings()))


#: By these, the shell in which the tests run would decide how wide and how colourful output is.
_LOOKS = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output looks the same in every shell, also that of processes that a test starts."""
    for name in _LOOKS:
        monkeypatch.delenv(name, raising=False)


Run = Callable[..., Result]


@pytest.fixture
def run(builder: SpoolBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``distribute ARGUMENTS`` on the builder's spool, in an empty folder; expects an exit code of 0."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("DISTRIBUTE_SPOOL", str(builder.spool.root))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run_command(*arguments: str | Path, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    return run_command


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    """What ``distribute ARGUMENTS --json`` prints, parsed."""
    return lambda *arguments, code=0: json.loads(run(*arguments, "--json", code=code).stdout)


Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(run: Run) -> Iterator[Launch]:
    """Starts ``distribute ARGUMENTS`` as a process of its own, in the place and environment of ``run``."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        argv = [sys.executable, "-m", "distribute_cli", *map(str, arguments)]
        started.append(subprocess.Popen(argv, **{**pipes, **options}))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()

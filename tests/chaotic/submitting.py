"""The ways in which people submit, kill and retry: shell commands that run beside the campaign."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from tests.chaotic.history import History, Kind
from tests.chaotic.sites import Command, Site
from tests.chaotic.work import DATA, SCRIPT, PlannedBatch


@dataclass
class Submitter:
    """Keeps what it submits in the folder that all machines of ``site`` see."""

    site: Site
    history: History
    chance: random.Random
    planned: dict[str, PlannedBatch] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)
    retried: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    _commands: list[tuple[str, Command, Path]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.site.shared / "job.sh").write_text(SCRIPT)
        self.ledger.mkdir()

    @property
    def ledger(self) -> Path:
        """A folder with a file for each node."""
        return self.site.shared / "ledger"

    @property
    def _incoming(self) -> Path:
        return self.site.root / "incoming"

    def submit(self, batch: PlannedBatch) -> None:
        """In one of four ways: a folder by rename or by cp, a bare YAML in two halves, `distribute add`."""
        self.planned[batch.key] = batch
        way = self.chance.choice((self._rename, self._copy, self._write, self._add))
        self.history.add(Kind.SUBMITTED, batch.key, way.__name__.strip("_"))
        way(batch.name, self._folder(batch, batch.name))

    def submit_again(self, batch: PlannedBatch) -> None:
        """The same name with another content: it must be refused."""
        drop = f"again{len(self.rejected)}"
        self.rejected.add(drop)
        self.history.add(Kind.SUBMITTED, drop, f"again {batch.key}")
        self._rename(drop, self._folder(PlannedBatch(batch.name, batch.jobs[:1], "of another\n"), drop))

    def submit_nonsense(self) -> None:
        drop = f"nonsense{len(self.rejected)}"
        self.rejected.add(drop)
        self.history.add(Kind.SUBMITTED, drop)
        self._start(f"nonsense {drop}", f"echo 'meta: [' > {self._incoming}/{drop}.yaml")

    def kill(self, target: str) -> None:
        self.killed.add(target)
        self._command("kill", target, "--reason", "chaos")

    def retry(self, key: str) -> None:
        self.retried.add(key)
        self._command("retry", key)

    def go_on(self) -> None:
        """Hear which commands have ended."""
        for entry in list(self._commands):
            what, command, log = entry
            if (code := command.poll()) is not None:
                self._commands.remove(entry)
                self.history.add(Kind.ANSWERED, what, f"{code}: {log.read_text(errors='replace')[-500:]}")

    @property
    def busy(self) -> bool:
        return bool(self._commands)

    def close(self) -> None:
        for _, command, _ in self._commands:
            command.kill()

    def _folder(self, batch: PlannedBatch, name: str) -> Path:
        """What is submitted, in a folder of its own; ``bare.yaml`` names its input by its absolute path."""
        folder = self.site.shared / name
        folder.mkdir()
        (folder / DATA).write_text(batch.data)
        for file, data in (("jobs.yaml", DATA), ("bare", str(folder / DATA))):
            content = batch.job_file(self.site.shared / "job.sh", self.ledger, data)
            (folder / file).write_text(json.dumps(content))
        return folder

    def _rename(self, name: str, folder: Path) -> None:
        private, place = self._incoming / f".{name}", self._incoming / name
        self._start(f"mv {name}", f"mkdir {private} && {_copy_to(folder, private)} && mv {private} {place}")

    def _copy(self, name: str, folder: Path) -> None:
        place = self._incoming / name
        self._start(f"cp {name}", f"mkdir {place} && {_copy_to(folder, place)}")

    def _write(self, name: str, folder: Path) -> None:
        source, half = folder / "bare", (folder / "bare").stat().st_size // 2
        pause = "sleep 2" if self.site.patient else ":"
        halves = f"head -c {half} {source}; {pause}; tail -c +{half + 1} {source}"
        self._start(f"write {name}", f"{{ {halves}; }} > {self._incoming}/{name}.yaml")

    def _add(self, name: str, folder: Path) -> None:
        self._command("add", str(folder / "jobs.yaml"))

    def _command(self, verb: str, *arguments: str) -> None:
        words = ["distribute", verb, "--spool", str(self.site.root), *arguments]
        self._start(f"{verb} {arguments[0]}", " ".join(map(quote, words)))

    def _start(self, what: str, script: str) -> None:
        self.history.add(Kind.COMMANDED, what)
        log = self.site.shared / f"command{len(self.history.events)}.log"
        self._commands.append((what, self.site.start(script, log), log))


def _copy_to(folder: Path, place: Path) -> str:
    return f"cp {folder}/jobs.yaml {folder}/{DATA} {place}"

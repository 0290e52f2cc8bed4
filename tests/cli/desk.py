"""A folder in which somebody types `distribute run`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distribute_cli.commands.pull import JOB_FILE
from tests.support import end_all_in, find_runs, left_behind, wait_until


@dataclass
class Desk:
    """A folder in which somebody works; what is started in it ends with the test."""

    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __enter__(self) -> Desk:
        self.folder.mkdir()
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        try:
            wait_until(lambda: not self.left_behind(), 30, what="all processes end")
        finally:
            # Only where a test has failed.
            end_all_in(self.folder)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def batch(self, jobs: Mapping[str, Any], name: str = JOB_FILE, build: str = "", **meta: Any) -> None:
        """A command batch ``desk/trial``: for each job its command, or its whole entry."""
        entries = [
            {"name": job, **({"command": one} if isinstance(one, str) else one)} for job, one in jobs.items()
        ]
        section: dict[str, Any] = {"jobs": entries}
        if build:
            section["initialize"] = {"build": build}
        whole = {"meta": {"namespace": "desk", "batch_name": "trial", **meta}, "command": section}
        # Every JSON text is a YAML text.
        self.write(name, json.dumps(whole))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """``distribute run WORDS``, with a process group of its own, as in a terminal."""
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "distribute_cli", "run", *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return self.processes[-1]

    def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """What ``distribute run WORDS`` prints on its two outputs."""
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        assert self.left_behind() == []
        return out, err

    def left_behind(self) -> list[str]:
        """The processes that still work here, but for the commands themselves."""
        own = {process.pid for process in self.processes if process.poll() is None}
        return [*left_behind(self.folder, own), *(command for _, command in find_runs(self.folder))]

    def read(self, *parts: str, save: str = "distribute-run") -> str:
        return self.folder.joinpath(save, "archived_files", *parts).read_text()

    def listed(self, save: str = "distribute-run") -> list[str]:
        """All files of a save folder."""
        root = self.folder / save
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Until the command has printed a line with ``text`` on standard output."""
    assert process.stdout
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"no {text!r}: {process.communicate()[1]}")

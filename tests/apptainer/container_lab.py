"""A laboratory whose daemons may be another user's, and what is there of the containers that they run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodewatch.process import adopt
from nodewatch.process.records import read_session
from nodewatch.process.runner import procfs
from tests.lab import Daemon, Lab
from tests.lab.unprivileged import command


@dataclass
class ContainerLab(Lab):
    """``image`` is what its batches run, ``uid`` whose its daemons are; None: of who runs the tests.

    ``folder`` is in one that this user may write to. ``seen`` are the containers that a test waited for.
    """

    image: Path = Path()
    uid: int | None = None
    seen: list[Container] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.acting():
            super().__post_init__()

    @contextmanager
    def acting(self) -> Iterator[None]:
        """As the user whose the daemons are."""
        if self.uid is None:
            yield
            return
        os.setegid(self.uid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def node(self, name: str, *arguments: str, before: Iterable[str] = (), **more: Any) -> Daemon:
        as_user = () if self.uid is None else command(())
        return super().node(name, *arguments, before=[*before, *as_user], **more)

    def end_all(self) -> None:
        super().end_all()
        for process in (process for container in self.seen for process in container.processes()):
            # Only where a test has failed.
            procfs.send(process, signal.SIGKILL)

    def mounts(self) -> list[str]:
        """What is mounted of this lab's files, and would stay so when a container is gone."""
        loops = [f"loop {_read(path)}" for path in Path("/sys/block").glob("loop*/loop/backing_file")]
        mounts = _read(Path("/proc/self/mountinfo")).splitlines()
        return [text for text in (*loops, *mounts) if str(self.folder) in text]

    def drop(self, name: str, job_file: Mapping[str, Any], files: Mapping[str, str] | None = None) -> str:
        with self.acting():
            return super().drop(name, job_file, files)

    def containers(
        self,
        name: str,
        scripts: Mapping[str, str],
        mounts: Iterable[str] = (),
        image: Path | None = None,
        **job: Any,
    ) -> str:
        """Submit an apptainer batch with a job for each script; ``job`` is more of every entry."""
        entries = [
            {"name": one, "required_files": [{"path": f"{one}.sh", "alias": "job.sh"}], **job}
            for one in scripts
        ]
        initialize = {"sif": str(image or self.image), "required_mounts": list(mounts)}
        return self.drop(
            name,
            {
                "meta": {"namespace": "lab", "batch_name": name},
                "apptainer": {"initialize": initialize, "jobs": entries},
            },
            {f"{one}.sh": script for one, script in scripts.items()},
        )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@dataclass(frozen=True)
class Container:
    """A job's container while it runs: its attempt's folder on the node, and the number of its session."""

    attempt: Path
    session: int

    def processes(self) -> list[procfs.Process]:
        """All of the session, whatever they are there for."""
        found = (procfs.look(int(name)) for name in os.listdir("/proc") if name.isdecimal())
        return [one for one in found if one and one.session == self.session and one.state not in "ZX"]

    def own(self) -> list[procfs.Process]:
        """Those of the job itself."""
        return [one for one in self.processes() if not procfs.attends_container(one.pid)]

    def runner(self) -> int:
        run = adopt(self.attempt)
        assert run is not None
        with run:
            return run.pid


def wait_up(lab: ContainerLab, node: Daemon, key: str, job: str) -> Container:
    """Until the script of a job has made the file ``up``: what there is of its container then."""

    def look() -> Container | None:
        for attempt in node.scratch.glob(f"runs/{key}/{job}~*"):
            found = read_session(attempt)
            if found and any((save / "up").exists() for save in _saves(node, key)):
                return Container(attempt, found[0])
        return None

    lab.wait(look, 20, f"{key}/{job} is up")
    container = look()
    assert container is not None
    lab.seen.append(container)
    return container


def _saves(node: Daemon, key: str) -> Iterator[Path]:
    return node.scratch.glob(f"work/{key}*/distribute_save")

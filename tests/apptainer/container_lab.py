"""A laboratory whose daemons may be another user's, and what is there of the containers that they run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodewatch.process.records import read_session
from nodewatch.process.runner import procfs
from tests.lab import Daemon, Lab
from tests.lab.unprivileged import command


@dataclass
class ContainerLab(Lab):
    """``image`` is what its batches run, ``uid`` whose its daemons are; None: of who runs the tests.

    ``folder`` is in one that this user may write to.
    """

    image: Path = Path()
    uid: int | None = None

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


def session_of(attempt: Path) -> int:
    """The number of the session of a job in a container that runs."""
    found = read_session(attempt)
    assert found is not None, f"no container runs in {attempt}"
    return found[0]


def members(session: int) -> list[procfs.Process]:
    """All processes of a session, whatever they are there for."""
    processes = (procfs.look(int(name)) for name in os.listdir("/proc") if name.isdecimal())
    return [one for one in processes if one and one.session == session and one.state not in "ZX"]

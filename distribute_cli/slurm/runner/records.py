"""What stands in an export: the batch, its jobs, and where everything is."""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional

RECORD_NAME = ".job.json"
#: No path of a job file can hold these. ``QUOTED_TREE`` stands in a line of CSV.
TREE, QUOTED_TREE, ROOT = "\x01tree\x01", "\x01:tree\x01", "\x01root\x01"


class NotBegun(Exception):
    """A job isn't begun; the message says why."""


class Batch(NamedTuple):
    """``export.json``. ``build_id`` tells one build from another.

    ``links``: a job finds its inputs beside ``input/`` too.
    """

    root: str
    namespace: str
    batch: str
    submitter: str
    version: str
    build: Optional[List[str]]
    build_id: str
    links: bool

    @property
    def archive(self) -> str:
        return os.path.join(self.root, "archive", self.namespace, self.batch)

    @property
    def built(self) -> str:
        """The tree as the build left it."""
        return os.path.join(self.root, "build", "tree")

    @property
    def built_mark(self) -> str:
        return os.path.join(self.root, "build", "built")

    def job_folder(self, job: str) -> str:
        return os.path.join(self.root, "jobs", job)

    def work(self, job: str) -> str:
        """The tree that a job runs in."""
        return os.path.join(self.root, "work", job)

    def lock(self, job: str) -> str:
        """Whoever runs the job, or for ``""`` the build, has it locked."""
        folder = self.job_folder(job) if job else os.path.join(self.root, "build")
        return os.path.join(folder, "lock")

    def staging(self, name: str) -> str:
        return os.path.join(self.root, "archive", ".staging", self.namespace, self.batch, name)


class Job(NamedTuple):
    """``jobs/JOB/job.json``. The number of cores follows ``argv`` if ``takes_cores``.

    ``container``: ``argv`` is of a container, with ``TREE`` in it for the job's folder and ``ROOT`` for the
    export; ``quoted_argv`` is the form for paths with characters that divide a bind. ``folders`` are made,
    empty, in the job's folder. ``time_s`` is
    for each attempt, ``over_time`` says that it was exceeded; ``limit_s`` is for all attempts together.
    """

    job: str
    argv: List[str]
    takes_cores: bool
    time_s: Optional[float]
    over_time: str
    retries: int
    on_evict: Optional[str]
    resume: bool
    limit_s: Optional[float]
    container: bool
    quoted_argv: List[str]
    folders: List[str]
    environment: Dict[str, str]


def read_batch(root: str) -> Batch:
    found = _read(os.path.join(root, "export.json"))
    return Batch(root=root, **{name: found[name] for name in Batch._fields if name != "root"})


def read_job(batch: Batch, job: str) -> Job:
    found = _read(os.path.join(batch.job_folder(job), "job.json"))
    return Job(**{name: found[name] for name in Job._fields})


def read_record(folder: str) -> Optional[Dict[str, Any]]:
    """The ``.job.json`` of a result; None if there is none that can be read."""
    try:
        return _read(os.path.join(folder, RECORD_NAME))
    except (OSError, ValueError):
        return None


def _read(path: str) -> Dict[str, Any]:
    with open(path, encoding="utf-8") as opened:
        found = json.load(opened)
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found

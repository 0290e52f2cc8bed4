"""A node's own disk: where its trees, runs and cache stand, and how much room is left."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import AttemptFolder, attempt_folder, attempts_of
from nodewatch.folders import remove, replace_text
from nodewatch.trees import Tree
from spoold.local_node import ALIVE_NAME, DOOR_NAME
from spoold.tickets import Ticket

#: What stands in a scratch folder; ``lost+found`` where it is a file system of its own.
_ENTRIES = frozenset(
    {
        "runs", "work", "cache", ALIVE_NAME, DOOR_NAME, "pid", "pid.new", "pause", "pause.json", "pause.new",
        "lost+found",
    }
)  # fmt: skip
_POLL_S = 0.02


class ScratchInUse(DistributeError):
    """Another daemon uses this scratch folder."""


class ScratchUnusable(DistributeError):
    """The scratch folder can't be made, or is none."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folder that a node was given; ``touch pause`` in it stops the running jobs."""

    path: Path
    min_free_bytes: int

    @property
    def pause(self) -> Path:
        return self.path / "pause"

    @property
    def pause_record(self) -> Path:
        return self.path / "pause.json"

    @property
    def pid(self) -> Path:
        """The daemon's, as long as it holds the lock."""
        return self.path / "pid"

    @property
    def _lease_token(self) -> Path:
        return self.path / "lease-token"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    def make(self, spool: Path) -> None:
        """Make what is missing. Raises ScratchUnusable, also where the folder is somebody else's."""
        self._require_apart(spool)
        self._require_ours()
        try:
            for folder in (self.runs, self.work, self.cache):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ScratchUnusable(
                f"{self.path} can't be used as scratch", str(error), "give this node another --scratch"
            ) from error

    def _require_apart(self, spool: Path) -> None:
        # Nothing is looked up on the way to the spool: a file server that is away would hold us up.
        there, here = spool.absolute(), self.path.absolute()
        nested = here.is_relative_to(there) or there.is_relative_to(here)
        if nested or self.path.resolve().is_relative_to(there):
            raise ScratchUnusable(
                f"{self.path} can't be used as scratch",
                f"it and the spool {spool} lie one in the other",
                "give this node a --scratch of its own, on a local disk",
            )

    def _require_ours(self) -> None:
        try:
            found = os.listdir(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ScratchUnusable(
                f"{self.path} can't be used as scratch", str(error), "give this node another --scratch"
            ) from error
        strange = sorted(set(found) - _ENTRIES)
        if strange and ALIVE_NAME not in found:
            raise ScratchUnusable(
                f"{self.path} can't be used as scratch",
                f"it holds {strange[0]!r}, so it is in use for something else",
                f"give a folder that is new or empty, such as --scratch {self.path / 'nodewatch'}",
            )

    def lock(self, within_s: float = 0.0) -> FileLock:
        """Take the folder for this daemon. Raises ScratchInUse."""
        # A native lock is right here: this is a local disk, and the lock goes with the process.
        lock = FileLock(self.path / ALIVE_NAME, timeout=within_s, poll_interval=_POLL_S)
        try:
            lock.acquire()
        except Timeout as error:
            raise ScratchInUse(
                f"{self.path} is used by another nodewatch", "", "give this node another --scratch"
            ) from error
        return lock

    def lock_door(self) -> FileLock | None:
        """Keep others from starting a daemon here; None if one of them does just that."""
        # A thread takes it, and the process keeps it.
        lock = FileLock(self.path / DOOR_NAME, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock

    def write_pid(self) -> None:
        """Say who we are, once the lock is ours."""
        replace_text(self.pid, f"{os.getpid()}\n")

    def keep_lease(self, token: str) -> None:
        """Remember which hold of the lease is ours: whoever has the lock after us knows that it is over."""
        replace_text(self._lease_token, token)

    def last_lease(self) -> str | None:
        """The token of the hold that this folder's daemon had last; None if that isn't known."""
        try:
            return self._lease_token.read_text() or None
        except FileNotFoundError:
            return None

    def tree(self, namespace: str, batch: str, place: int | None = None) -> Tree:
        """The batch's tree, or the copy of it that jobs at ``place`` work in."""
        return Tree(Path(self.work, namespace, batch if place is None else f"{batch}~{place}"))

    def attempt(self, namespace: str, batch: str, ticket: Ticket) -> AttemptFolder:
        return attempt_folder(self.runs, namespace, batch, ticket)

    def holds(self, namespace: str, batch: str, job: str) -> bool:
        """Whether an attempt of the job stands here, running or with a result that isn't delivered yet."""
        return bool(attempts_of(self.runs / namespace / batch, job))

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def full(self) -> bool:
        return self.free_bytes() < self.min_free_bytes

    def remove_trees_except(self, keys: set[str]) -> None:
        """Remove the trees of batches that aren't among ``keys`` (``NAMESPACE/BATCH``), and empty folders."""
        for tree in self.work.glob("*/*"):
            if f"{tree.parent.name}/{tree.name.partition('~')[0]}" not in keys:
                remove(tree)
        for folder in (*self.runs.glob("*/*"), *self.runs.iterdir(), *self.work.iterdir()):
            # RACE: an attempt may begin in it.
            with suppress(OSError):
                folder.rmdir()

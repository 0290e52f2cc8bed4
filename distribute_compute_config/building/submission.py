"""Handing a config to a spool. This package knows what that looks like; who can do it is looked up.

The package that works on spools registers itself as the entry point ``submit`` of the group
``distribute_compute_config`` (packaging.python.org/specifications/entry-points): arrows run one way only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from distribute_compute_config.building.arguments import AnyPath, name_batch
from distribute_compute_config.building.calls import Call, WrongValue
from distribute_compute_config.building.writing import spell_out
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.inputs import missing_inputs
from distribute_compute_config.loading import LoadedJobFile
from distribute_compute_config.models import JobFile
from distribute_compute_config.problems import Problem

_PATIENCE_S = 10.0
_SHOWN_MAX = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How many jobs of a batch are where. ``closed``: it has ended, nothing of it moves any more."""

    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int
    closed: bool = False

    @property
    def total(self) -> int:
        """All jobs."""
        return self.waiting + self.running + self.done + self.failed + self.cancelled

    @property
    def succeeded(self) -> bool:
        """Whether the batch has ended and every job of it well."""
        return self.closed and self.done == self.total


class Submission(Protocol):
    """A batch that was handed to a spool, which remembers all of it: nothing is lost with this object."""

    @property
    def key(self) -> str:
        """``NAMESPACE/BATCH``: what ``distribute status`` and all other commands call it."""

    @property
    def admitted(self) -> bool:
        """Whether the spool had taken it in by the time ``submit`` returned."""

    @property
    def results(self) -> Path:
        """Where its results appear, a folder a job; to be read only. ``distribute pull`` brings copies."""

    def look(self) -> Progress | None:
        """How far it is; None while it waits in the drop box. Raises DistributeError: it was refused."""

    def wait(
        self, timeout_s: float | None = None, progress: Callable[[Progress], object] | None = None
    ) -> Progress:
        """Wait until every job has ended, and tell how.

        ``timeout_s``: how long to wait at most, seconds; for ever without one.
        ``progress``: is called with each look, twice a second.

        Raises TimeoutError; the batch goes on. Raises DistributeError: it was refused, or is gone.
        """


class Submitter(Protocol):
    """What the entry point is: submits ``loaded``, whose relative paths begin at ``base``.

    Without a ``spool`` it is the one that the user's commands use. Waits up to ``patience_s`` seconds for it
    to take the batch in. Raises DistributeError or OSError.
    """

    def __call__(
        self, loaded: LoadedJobFile, base: Path, spool: Path | None, patience_s: float
    ) -> Submission: ...


def submit(
    config: JobFile,
    spool: AnyPath | None = None,
    *,
    folder: AnyPath = ".",
    patience_s: float = _PATIENCE_S,
) -> Submission:
    """Submit a config as ``distribute add`` does: with all its files as they are now. Nothing is printed.

    ``config``: what ``apptainer_config()``, ``python_config()`` or ``command_config()`` returned.
    ``spool``: the spool's folder; without one that which ``distribute`` uses: DISTRIBUTE_SPOOL names it, or
    the user's config file.
    ``folder``: where relative paths of the config begin.
    ``patience_s``: how long to wait for the spool to take the batch in, seconds. It is submitted anyhow.

    Returns at once after that; ``submit(...).wait()`` waits for the end.

    Raises WrongType. Raises WrongValue: files are missing. Raises DistributeError: there is no such spool,
    the batch's name is taken, it has too many jobs, the spool refused it. Raises OSError.
    """
    call = Call("submit")
    root = None if spool is None else Path(call.path("spool", spool))
    base = Path(call.path("folder", folder)).absolute()
    call.instance("patience_s", patience_s, (int, float), "a number of seconds")
    jobfile = call.instance("config", config, JobFile, "what apptainer_config(...) or its like returns")
    loaded = spell_out(call, jobfile, name_batch(jobfile.meta))
    if missing := missing_inputs(loaded, base):
        raise _explain_missing(missing)
    return _find_submitter()(loaded, base, root, patience_s)


def _explain_missing(missing: Iterable[Problem]) -> WrongValue:
    told = [f"{one.what}: {one.why}; {one.instead}" for one in missing]
    files = "a file" if len(told) == 1 else f"{len(told)} files"
    if len(told) > _SHOWN_MAX:
        told[_SHOWN_MAX:] = [f"… and {len(told) - _SHOWN_MAX} more"]
    return WrongValue(f"submit(): {files} can't be brought along", "", "\n".join(told))


def _find_submitter() -> Submitter:
    for one in entry_points(group="distribute_compute_config", name="submit"):
        found: Submitter = one.load()
        return found
    why = "no installed package offers to submit"
    raise DistributeError("submit() can't reach a spool", why, "install it again: pip install distribute-lab")

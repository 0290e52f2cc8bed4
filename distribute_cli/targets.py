"""What a command is about: a namespace, a batch, a job, typed as NS, NS/BATCH or NS/BATCH/JOB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from distribute_cli.context import current_spool
from distribute_cli.errors import NotFound, did_you_mean, did_you_mean_batch
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.names import check_name, is_name

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from spoold.snapshot import BatchRef
    from spoold.spool import Spool

_PARTS = ("namespace", "batch", "job")


@dataclass(frozen=True, slots=True)
class Target:
    """``job`` is set only if ``batch`` is."""

    namespace: str
    batch: str | None = None
    job: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.namespace, self.batch, self.job) if part)


class TargetType(click.ParamType[Target]):
    """A command-line argument of ``at_least`` to ``at_most`` names, joined by slashes."""

    name = "target"

    def __init__(self, at_least: int = 1, at_most: int = 3) -> None:
        self.at_least = at_least
        self.at_most = at_most

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        must = "/".join(("NS", "BATCH", "JOB")[: self.at_least])
        may = ("NS", "BATCH", "JOB")[self.at_least : self.at_most]
        return must + "".join(f"[/{part}" for part in may) + "]" * len(may)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        parts = str(value).rstrip("/").split("/")
        if not self.at_least <= len(parts) <= self.at_most:
            names = [part.upper() for part in _PARTS]
            must, may = "/".join(names[: self.at_least]), names[self.at_least : self.at_most]
            wanted = must + "".join(f"[/{name}" for name in may) + "]" * len(may)
            self.fail(f"{value!r} isn't of the form {wanted}.", param, ctx)
        try:
            return Target(*[check_name(kind, name) for kind, name in zip(_PARTS, parts, strict=False)])
        except DistributeError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if incomplete.count("/") >= self.at_most:
            return []
        try:
            with ctx.scope(cleanup=False):
                candidates = _list_candidates(current_spool(), incomplete)
        except DistributeError:
            # Nothing can be said on a line that is being typed.
            return []
        return [CompletionItem(one) for one in candidates if one.startswith(incomplete)]


def _list_candidates(spool: Spool, text: str) -> list[str]:
    """What could stand where ``text`` is being typed: everything one level below its last slash."""
    from spoold.snapshot import find_batch, list_batches, read_jobs

    parts = text.split("/")
    if len(parts) < len(_PARTS):
        keys = [ref.key for finished in (False, True) for ref in list_batches(spool, finished)]
        return sorted({"/".join(key.split("/")[: len(parts)]) for key in keys})
    found = find_batch(spool, parts[0], parts[1]) if all(map(is_name, parts[:2])) else None
    jobs = read_jobs(spool, found.folder) if found else None
    return [f"{parts[0]}/{parts[1]}/{job.name}" for job in jobs.jobs] if jobs else []


def require_batch(spool: Spool, namespace: str, batch: str) -> BatchRef:
    """Where the batch stands. Raises NotFound, naming those with a name like it."""
    from spoold.snapshot import find_batch

    found = find_batch(spool, namespace, batch)
    if found is None:
        raise no_batch(spool, f"{namespace}/{batch}")
    return found


def no_batch(spool: Spool, key: str) -> NotFound:
    """The error for a batch ``NS/BATCH`` that isn't in the spool: it waits, or others have a name like it."""
    from distribute_cli.following import describe_waiting
    from distribute_cli.reading.incoming import find_waiting
    from spoold.snapshot import list_batches

    waiting = find_waiting(spool, key)
    if waiting is not None:
        return NotFound(
            f"{key} isn't admitted yet", f"it was submitted as {waiting.name}", describe_waiting(spool)
        )
    known = [ref.key for finished in (False, True) for ref in list_batches(spool, finished)]
    hint = (
        did_you_mean_batch(key, known)
        or "what waits to be admitted or was rejected is shown by: distribute status"
    )
    return NotFound(f"there is no batch {key}", f"in {spool.root}", hint)


def require_job(target: Target, jobs: list[str]) -> None:
    """Raises NotFound unless ``target.job`` is among ``jobs``, the names of its batch's jobs."""
    if target.job is not None and target.job not in jobs:
        batch = f"{target.namespace}/{target.batch}"
        hint = did_you_mean(target.job, jobs) or f"see its jobs with: distribute status {batch}"
        raise NotFound(f"there is no job {target.job}", f"in {batch}", hint)

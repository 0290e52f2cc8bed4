"""A lab's spool as a queue: jobs run on its workstations, each in a folder of its own there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

from cluster.commands import check_command
from cluster.config_file import get_option
from cluster.engines.protocol import JobPlan, Poll
from cluster.errors import ClusterError
from cluster.records import QueueJob
from cluster.scripts import say_modules
from cluster.spools.cancelling import cancel
from cluster.spools.depending import tell_of_unknown
from cluster.spools.dropping import Piece, drop, make_batch
from cluster.spools.fetching import fetch
from cluster.spools.ids import SpoolId, name_batch, name_file_batch, name_namespace, parse_id
from cluster.spools.reading import SpoolReader
from cluster.spools.shipping import packed, say_function_command, say_script_command
from distribute_compute_config.errors import DistributeError
from spoold.access import identity_of
from spoold.spool import Spool, open_spool

VARIABLE = "DISTRIBUTE_SPOOL"
_NOWHERE = "none"


class DistributeEngine:
    """Job files travel to the node with all that functions need; what they left is fetched from the archive.

    The spool is ``root``, else what the variable DISTRIBUTE_SPOOL says, else the option ``spool``.
    """

    poll_s: float | None = None

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    @cached_property
    def spool(self) -> Spool:
        """The spool. Raises ClusterError."""
        named = self._root or os.environ.get(VARIABLE) or get_option("queue", "spool")
        if named == _NOWHERE:
            raise ClusterError(
                "there is no spool to submit to",
                f"neither {VARIABLE} nor the option spool names one",
                f"export {VARIABLE}=/path/to/the/spool",
            )
        try:
            return open_spool(Path(named))
        except DistributeError as error:
            raise ClusterError(error.what, error.why, error.hint) from error

    @cached_property
    def _reader(self) -> SpoolReader:
        return SpoolReader(self.spool)

    @property
    def _namespace(self) -> str:
        return name_namespace(identity_of(os.geteuid()).name)

    def render(self, plan: JobPlan) -> str:
        command = say_function_command() if plan.is_function else check_command(plan.command)
        run = " && ".join(
            [*say_modules(plan.options.get("modules") or ()), f"bash -c {shlex.quote(command)}"]
        )
        return f"#!/bin/bash\n{run}\n"

    def submit(self, plan: JobPlan, after: Sequence[str] = ()) -> str:
        batch = SpoolId(self._namespace, name_batch(plan.files))
        tell_of_unknown(self._reader, plan.files.name, after)
        try:
            with packed(plan) as pieces:
                drop(self.spool, make_batch(batch, pieces, plan.options, after))
        except (OSError, ValueError) as error:
            raise ClusterError(f"job {plan.files.name} can't be packed", str(error)) from error
        return str(batch)

    def submit_file(self, script: Path, after: Sequence[str] = (), extra: Sequence[str] = ()) -> str:
        if extra:
            raise ClusterError(f"{script} can't be submitted so", f"there is no command that takes {extra}")
        batch = SpoolId(self._namespace, name_file_batch(script))
        tell_of_unknown(self._reader, script.name, after)
        command, shipped = say_script_command(script)
        drop(self.spool, make_batch(batch, [Piece("script", command, (shipped,))], {}, after))
        return str(batch)

    def task_id(self, job_id: str, index: int) -> str:
        return f"{job_id}/{index}"

    def poll(self, job_ids: Collection[str]) -> Poll:
        asked = frozenset(job_ids)
        try:
            return Poll(True, asked, self._reader.look(asked))
        except (OSError, DistributeError) as error:
            return Poll(False, why=f"the spool {self.spool.root} can't be read: {error}")

    def list_jobs(self, user: str | None, partition: str | None) -> list[QueueJob]:
        return list(self._reader.list_all(user))

    def cancel(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            cancel(self.spool, job_id)

    def fetch(self, plan: JobPlan, job_id: str, tasks: Sequence[int | None]) -> None:
        batch = parse_id(job_id)
        assert batch is not None
        fetch(self.spool, plan, batch, tasks)

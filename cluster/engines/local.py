"""This machine as a queue: a private spool, and a node that is started on demand and ends when idle."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

import psutil

from cluster import logme, scripts
from cluster.config_file import get_option
from cluster.engines.protocol import JobPlan, Poll
from cluster.errors import ClusterError
from cluster.naming import SUFFIX, is_job_file
from cluster.options import to_spool
from cluster.records import QueueJob
from cluster.scripts import TASK_VARIABLE, Frame
from cluster.spools import environments, places
from cluster.spools.cancelling import cancel
from cluster.spools.depending import refuse_unknown
from cluster.spools.dropping import Piece, drop, make_batch
from cluster.spools.ids import SpoolId, name_batch, name_file_batch, name_namespace, name_shown
from cluster.spools.reading import SpoolReader
from cluster.spools.tidying import forget_old, sweep_files
from distribute_compute_config.errors import DistributeError
from distribute_compute_config.quantities import format_memory
from spoold.access import identity_of
from spoold.local_node import LocalNode, NodeOptions
from spoold.private import PrivateSpool, open_private

#: The node costs little while it waits, and half a second when it is started.
IDLE_EXIT_S = 60.0
#: To ask costs a few listings of a local folder.
POLL_S = 0.05
_ENSURE_EVERY_S = 1.0


class LocalEngine:
    """Runs the job files themselves, in the folder and the environment of whoever submits.

    ``cores``: how many cores jobs may use together; without it as the option ``threads`` says, 0: all.
    """

    poll_s: float | None = POLL_S

    def __init__(self, cores: int | None = None) -> None:
        self.cores: int = get_option("jobqueue", "threads") if cores is None else cores
        self._lock = threading.Lock()
        self._ensured_at_s = 0.0

    @cached_property
    def private(self) -> PrivateSpool:
        """The spool. Raises ClusterError."""
        try:
            private = open_private(places.queue_folder(self.cores))
        except DistributeError as error:
            raise ClusterError(error.what, error.why, error.hint) from error
        now = time.time()
        try:
            forget_old(private.spool, now)
            sweep_files(now)
        except OSError as error:
            logme.log(f"the queue of this machine can't be tidied up: {error}", "warn")
        return private

    @cached_property
    def node(self) -> LocalNode:
        """The node of the spool, whoever started it."""
        return LocalNode(self.private, NodeOptions(cores=self.cores or None, idle_exit_s=IDLE_EXIT_S))

    @cached_property
    def _reader(self) -> SpoolReader:
        return SpoolReader(self.private.spool)

    @property
    def _namespace(self) -> str:
        return name_namespace(identity_of(os.geteuid()).name)

    def render(self, plan: JobPlan) -> str:
        modules = plan.options.get("modules") or ()
        return scripts.render(
            plan.command, Frame(plan.files, plan.working, modules=modules, tasks=plan.tasks)
        )

    def submit(self, plan: JobPlan, after: Sequence[str] = ()) -> str:
        self._check_size(plan)
        refuse_unknown(self._reader, plan.files.name, after)
        batch = SpoolId(self._namespace, name_batch(plan.files))
        around, run = _enter_environment(), f"exec bash {shlex.quote(str(plan.files.script))}"
        if plan.tasks is None:
            pieces = [Piece(plan.files.name, around + run)]
        else:
            tasks = range(plan.tasks)
            pieces = [Piece(str(task), f"{around}{TASK_VARIABLE}={task} {run}") for task in tasks]
        options = {name: value for name, value in plan.options.items() if name not in _ELSEWHERE}
        drop(self.private.spool, make_batch(batch, pieces, options, after))
        self.ensure()
        return str(batch)

    def submit_file(self, script: Path, after: Sequence[str] = (), extra: Sequence[str] = ()) -> str:
        if extra:
            raise ClusterError(f"{script} can't be submitted so", f"there is no command that takes {extra}")
        batch = SpoolId(self._namespace, name_file_batch(script))
        refuse_unknown(self._reader, script.name, after)
        interpreter = shlex.join([*scripts.read_interpreter(script), str(script)])
        words = [f"cd {shlex.quote(str(Path.cwd()))} && exec {interpreter}"]
        if not is_job_file(script.name):
            name = name_shown(batch.batch)
            output = shlex.quote(f"{name}.{batch.batch[len(name) + 1 :]}.{SUFFIX}")
            words.append(f">{output}.out 2>{output}.err")
        piece = Piece("script", _enter_environment() + " ".join(words))
        drop(self.private.spool, make_batch(batch, [piece], {}, after))
        self.ensure()
        return str(batch)

    def ensure(self) -> None:
        """See that a node lives. Raises ClusterError with its last words."""
        try:
            with self._lock:
                self.node.ensure()
                self._ensured_at_s = time.monotonic()
        except DistributeError as error:
            raise ClusterError(error.what, error.why, error.hint) from error

    def _ensure_again(self) -> None:
        """The same, but not with every look: it may have been killed since."""
        if time.monotonic() - self._ensured_at_s > _ENSURE_EVERY_S:
            self.ensure()

    def _check_size(self, plan: JobPlan) -> None:
        """It would wait for ever. Raises ClusterError."""
        asked = to_spool(plan.options)
        cores, memory = asked.cores or 1, asked.memory_bytes or 0
        have = self.cores or len(os.sched_getaffinity(0))
        here = psutil.virtual_memory().total
        if cores > have:
            raise ClusterError(
                f"job {plan.files.name} can't run here",
                f"it wants {cores} cores, and jobs on this machine have {have}",
                "ask for less: cores=1; or change the option threads: "
                "cluster.config_file.set_option('jobqueue', 'threads', 0)",
            )
        if memory > here:
            raise ClusterError(
                f"job {plan.files.name} can't run here",
                f"it wants {format_memory(memory)} of memory, and this machine has {here >> 20}M",
                "ask for less: mem='1G'",
            )

    def task_id(self, job_id: str, index: int) -> str:
        return f"{job_id}/{index}"

    def poll(self, job_ids: Collection[str]) -> Poll:
        asked = frozenset(job_ids)
        try:
            seen = self._reader.look(asked)
        except (OSError, DistributeError) as error:
            return Poll(False, why=f"the queue of this machine can't be read: {error}")
        if any(not job.state.is_ended for job in seen.values()):
            self._ensure_again()
        return Poll(True, asked, seen)

    def list_jobs(self, user: str | None, partition: str | None) -> list[QueueJob]:
        return list(self._reader.list_all(user))

    def cancel(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            cancel(self.private.spool, job_id)

    def fetch(self, plan: JobPlan, job_id: str, tasks: Sequence[int | None]) -> None:
        """Its jobs write into the folder themselves."""


#: What distinguishes machines of a lab; here there is only this one.
_ELSEWHERE = frozenset({"features", "capabilities"})


def _enter_environment() -> str:
    """What a shell reads first, so that a job has the environment of whoever submits."""
    kept = environments.keep(places.environments_folder(), os.environ)
    return f". {shlex.quote(str(kept))}; "

"""Jobs on Torque or OpenPBS, by their own commands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

from cluster.backends import torque
from cluster.backends.pbs_formats import UnreadableAnswer
from cluster.backends.torque import Dialect
from cluster.engines.asking import QueueRefused, ask, in_parts, run, say_failure
from cluster.engines.protocol import JobPlan, Poll
from cluster.errors import ClusterError
from cluster.options import options_to_string
from cluster.records import QueueJob
from cluster.scripts import Frame, render
from cluster.settling import select

_IDS_AT_ONCE = 200


class TorqueEngine:
    """``qsub``, ``qstat`` and ``qdel``, found in PATH; whose they are is asked once.

    Job files open their output themselves: else it would appear only when the job has ended.
    """

    @cached_property
    def dialect(self) -> Dialect:
        """Whose ``qstat`` answers. Raises CommandError."""
        answer = run(torque.version_argv())
        return torque.read_dialect(answer.stdout + answer.stderr)

    poll_s: float | None = None

    def render(self, plan: JobPlan) -> str:
        directives = [
            f"#PBS -N {torque.fit_name(plan.files.name)}",
            *options_to_string(dict(plan.options), "torque").splitlines(),
            f"#PBS {' '.join(torque.NO_OUTPUT)}",
        ]
        modules = plan.options.get("modules") or ()
        return render(plan.command, Frame(plan.files, plan.working, directives, modules, plan.tasks))

    def submit(self, plan: JobPlan, after: Sequence[str] = ()) -> str:
        # From its folder, by its name alone: no path has to be understood by anybody.
        script = plan.files.script
        extra = torque.NO_OUTPUT if self.dialect is Dialect.IMITATION else ()
        argv = torque.submit_argv(script.name, self.dialect, after, plan.tasks, extra)
        return self._submit(argv, script.parent)

    def submit_file(self, script: Path, after: Sequence[str] = (), extra: Sequence[str] = ()) -> str:
        return self._submit(torque.submit_argv(str(script), self.dialect, after, extra=extra), None)

    def _submit(self, argv: Sequence[str], folder: Path | None) -> str:
        answer = ask(argv, cwd=folder)
        job_id = torque.parse_submitted(answer)
        if job_id is None:
            raise ClusterError(
                "qsub gave no job id",
                f"it said {answer.strip()[:200]!r}",
                "see whether the job is there: qstat",
            )
        return job_id

    def task_id(self, job_id: str, index: int) -> str:
        return torque.task_id(job_id, index)

    def poll(self, job_ids: Collection[str]) -> Poll:
        asked = frozenset(job_ids)
        if not asked:
            return Poll(True)
        try:
            jobs = self._ask(sorted({torque.array_id(one) for one in asked}))
        except ClusterError as error:
            return Poll(False, why=f"{error.what}: {error.why}")
        return Poll(True, asked, select(jobs, asked, torque.array_id))

    def _ask(self, job_ids: Sequence[str] | None) -> list[QueueJob]:
        """Those jobs, or all. Raises ClusterError."""
        if self.dialect is not Dialect.OPENPBS or job_ids is None:
            return self._read(())
        return [job for part in in_parts(job_ids, _IDS_AT_ONCE) for job in self._read(part)]

    def _read(self, job_ids: Sequence[str]) -> list[QueueJob]:
        """Raises QueueRefused for an answer that can't be read, and CommandError."""
        why = ""
        for argv in (torque.queue_argv(self.dialect, job_ids), torque.text_argv(self.dialect, job_ids)):
            answer = run(argv)
            if answer.code == 0 or answer.code in torque.UNKNOWN_JOB_CODES:
                try:
                    return torque.parse_queue(answer.stdout)
                except UnreadableAnswer as error:
                    why = f"its answer can't be read: {error}"
            else:
                why = say_failure(answer)
        raise QueueRefused("qstat failed", why, "try it by hand: qstat -f")

    def list_jobs(self, user: str | None, partition: str | None) -> list[QueueJob]:
        return [
            job
            for job in self._ask(None)
            if user in (None, job.userid) and partition in (None, job.partition)
        ]

    def cancel(self, job_ids: Sequence[str]) -> None:
        for part in in_parts(job_ids, _IDS_AT_ONCE):
            ask(torque.cancel_argv(part), accepted=torque.PAST_CODES)

    def fetch(self, plan: JobPlan, job_id: str, tasks: Sequence[int | None]) -> None:
        """The jobs write into the folder themselves."""

"""Jobs on Slurm, by its own commands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from cluster.backends import slurm
from cluster.engines.asking import QueueRefused, ask, in_parts, make_separator, run, try_asking
from cluster.engines.protocol import JobPlan, Poll
from cluster.errors import ClusterError, CommandError
from cluster.options import options_to_string
from cluster.records import QueueJob
from cluster.scripts import Frame, output_directives, render
from cluster.settling import select

_SHOWN_MAX = 20
_IDS_AT_ONCE = 5000


class SlurmEngine:
    """``sbatch``, ``squeue``, ``sacct``, ``scontrol`` and ``scancel``, found in PATH.

    A job's end is learned from ``squeue``, which shows it for MinJobAge; then from the accounting database,
    if there is one; then from what the plugin jobcomp wrote. The exit code that the job file wrote stands
    beside its output in any case.
    """

    poll_s: float | None = None

    def render(self, plan: JobPlan) -> str:
        directives = [
            f"#SBATCH --job-name={plan.files.name}",
            *options_to_string(dict(plan.options), "slurm").splitlines(),
            *output_directives(plan.files, plan.tasks),
        ]
        modules = plan.options.get("modules") or ()
        return render(
            plan.command, Frame(plan.files, plan.working, directives, modules, plan.tasks, redirects=False)
        )

    def submit(self, plan: JobPlan, after: Sequence[str] = ()) -> str:
        # From its folder, by its name alone: no path has to be understood by anybody.
        script = plan.files.script
        return self._submit(slurm.submit_argv(script.name, after, plan.tasks), script.parent)

    def submit_file(self, script: Path, after: Sequence[str] = (), extra: Sequence[str] = ()) -> str:
        return self._submit(slurm.submit_argv(str(script), after, extra=extra), None)

    def _submit(self, argv: Sequence[str], folder: Path | None) -> str:
        answer = ask(argv, cwd=folder)
        job_id = slurm.parse_submitted(answer)
        if job_id is None:
            raise ClusterError(
                "sbatch gave no job id",
                f"it said {answer.strip()[:200]!r}",
                "see whether the job is there: squeue --me",
            )
        return job_id

    def task_id(self, job_id: str, index: int) -> str:
        return slurm.task_id(job_id, index)

    def poll(self, job_ids: Collection[str]) -> Poll:
        asked = frozenset(job_ids)
        if not asked:
            return Poll(True)
        try:
            seen = self._ask_for(asked)
        except CommandError as error:
            return Poll(False, why=f"{error.what}: {error.why}")
        except QueueRefused as error:
            shown = self._show(asked)
            return Poll(bool(shown), frozenset(shown), shown, f"{error.what}: {error.why}")
        missing = asked - seen.keys()
        if missing:
            seen |= self._look_back(missing)
        return Poll(True, asked, seen)

    def _ask_for(self, job_ids: Collection[str]) -> dict[str, QueueJob]:
        parts = in_parts(_whole(job_ids), _IDS_AT_ONCE)
        return select([job for part in parts for job in _ask_queue(part)], job_ids, slurm.array_id)

    def _look_back(self, job_ids: Collection[str]) -> dict[str, QueueJob]:
        """Of jobs that the controller has forgotten."""
        parts = in_parts(_whole(job_ids), _IDS_AT_ONCE)
        return select([job for part in parts for job in _ask_history(part)], job_ids, slurm.array_id)

    def _show(self, job_ids: Collection[str]) -> dict[str, QueueJob]:
        """One by one, by ``scontrol``: where ``squeue`` is too old for our question."""
        shown: dict[str, QueueJob] = {}
        for job_id in sorted(job_ids)[:_SHOWN_MAX]:
            answer = try_asking(slurm.show_argv(job_id))
            if answer is None:
                break
            shown |= select(slurm.parse_shown(answer), {job_id}, slurm.array_id)
        return shown

    def list_jobs(self, user: str | None, partition: str | None) -> list[QueueJob]:
        separator = make_separator()
        jobs = slurm.parse_table(ask(slurm.queue_argv(separator, user, partition)), separator)
        history = try_asking(slurm.history_argv(separator, None, user, partition))
        known = {job.job_id for job in jobs}
        past = slurm.parse_table(history, separator) if history else []
        return jobs + [job for job in past if job.job_id not in known]

    def cancel(self, job_ids: Sequence[str]) -> None:
        for part in in_parts(job_ids, _IDS_AT_ONCE):
            ask(slurm.cancel_argv(part))

    def fetch(self, plan: JobPlan, job_id: str, tasks: Sequence[int | None]) -> None:
        """Slurm's jobs write into the folder themselves."""


def _whole(job_ids: Collection[str]) -> list[str]:
    """Arrays instead of their tasks."""
    return sorted({slurm.array_id(job_id) for job_id in job_ids})


def _ask_queue(job_ids: Sequence[str]) -> list[QueueJob]:
    """What ``squeue`` shows of these. Raises QueueRefused and CommandError."""
    separator = make_separator()
    try:
        answer = ask(slurm.queue_argv(separator, job_ids=job_ids))
    except QueueRefused as error:
        # Of one job that it doesn't know it says so; among several it passes over that one.
        if slurm.UNKNOWN_JOB in error.why:
            return []
        raise
    return slurm.parse_table(answer, separator)


def _ask_history(job_ids: Sequence[str]) -> list[QueueJob]:
    """What the database knows of these, or, without one, what jobcomp wrote."""
    separator = make_separator()
    answer = try_asking(slurm.history_argv(separator, job_ids))
    return _read_completions(job_ids) if answer is None else slurm.parse_table(answer, separator)


def _read_completions(job_ids: Sequence[str]) -> list[QueueJob]:
    """What jobcomp wrote; ``sacct`` complains of what it can't read there, and fails for that."""
    try:
        answer = run(slurm.completions_argv(job_ids))
    except CommandError:
        return []
    return slurm.parse_completions(answer.stdout, answer.stderr)

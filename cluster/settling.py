"""What is known of a job, from what its queue says and from the exit code that its job file wrote. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from cluster.records import QueueJob
from cluster.states import JobState


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands. ``reason`` says why it waits, failed, or isn't known."""

    state: JobState
    exitcode: int | None = None
    reason: str = ""


#: A job without a trace: the conclusion when it has been so for long, and when somebody cancelled it.
GIVEN_UP = Standing(JobState.ENDED, None, "the queue knows no more of it, and it left no exit code")
CANCELLED = Standing(JobState.CANCELLED)
_EXIT_AWAITED = Standing(JobState.COMPLETING, None, "it has ended, and its exit code isn't visible yet")

#: A shell's exit code for a command that a signal has ended is this and the signal's number.
_BY_SIGNAL = 128
#: What ends by a process's exit, so that the job file's own word on that is the better one.
_BY_EXIT = frozenset({JobState.COMPLETED, JobState.FAILED})


def settle(
    before: Standing,
    seen: QueueJob | None,
    exit_code: int | None,
    verdict: Standing | None = None,
    unanswered: str = "",
) -> Standing:
    """How a job stands now.

    ``seen`` is what the queue says of it, None if it says nothing; ``unanswered`` why it didn't answer at
    all; ``exit_code`` what the job file wrote, None if nothing; ``verdict`` what is then concluded.
    A queue that is silent, or forgets, never makes a job fail.
    """
    if seen is not None and seen.state not in (JobState.UNKNOWN, JobState.ENDED):
        code = exit_code if seen.state in _BY_EXIT and exit_code is not None else seen.exitcode
        return Standing(seen.state, code, seen.reason)
    if exit_code is not None:
        if verdict == CANCELLED and exit_code > _BY_SIGNAL:
            # RACE: its job file was just quick enough to write by which signal the command ended.
            return Standing(JobState.CANCELLED, exit_code)
        return Standing(JobState.FAILED if exit_code else JobState.COMPLETED, exit_code)
    if unanswered:
        return Standing(JobState.UNKNOWN, None, unanswered)
    if verdict is not None:
        return verdict
    return _EXIT_AWAITED if seen is not None and seen.state is JobState.ENDED else before


def select(
    jobs: Iterable[QueueJob], wanted: Collection[str], array_of: Callable[[str], str]
) -> dict[str, QueueJob]:
    """The wanted ones among ``jobs``, by their ids; an array as a whole stands as its tasks do together.

    ``array_of`` tells of a task's id which array it is of.
    """
    found: dict[str, QueueJob] = {}
    tasks: dict[str, list[QueueJob]] = {}
    for job in jobs:
        if job.job_id in wanted:
            found[job.job_id] = job
        array = array_of(job.job_id)
        if array in wanted and array != job.job_id:
            tasks.setdefault(array, []).append(job)
    return found | {array: _join(array, parts) for array, parts in tasks.items()}


def _join(array: str, tasks: Sequence[QueueJob]) -> QueueJob:
    whole = combine([Standing(task.state, task.exitcode, task.reason) for task in tasks])
    nodes = tuple(dict.fromkeys(node for task in tasks for node in task.nodes))
    return replace(
        tasks[0], job_id=array, state=whole.state, exitcode=whole.exitcode, reason=whole.reason, nodes=nodes
    )


def combine(parts: Sequence[Standing]) -> Standing:
    """How an array stands, by its tasks: the first that went wrong says how it ended."""
    if len(parts) == 1:
        return parts[0]
    open_states = [part.state for part in parts if not part.state.is_ended]
    if open_states:
        begun = len(open_states) < len(parts) or any(state.is_running for state in open_states)
        unknown = all(state is JobState.UNKNOWN for state in open_states)
        state = JobState.RUNNING if begun and not unknown else open_states[0]
        return Standing(state, None, next((part.reason for part in parts if part.state is state), ""))
    wrong = [part for part in parts if part.state is not JobState.COMPLETED]
    return wrong[0] if wrong else Standing(JobState.COMPLETED, 0)

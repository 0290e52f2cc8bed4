"""Torque and OpenPBS: what to type, and how to read the answers. Tried with Torque 6.1 and OpenPBS 23.06.

Both have the same commands. ``qstat -x`` is XML in Torque and *history* in OpenPBS, whose form for machines
is ``-F json``. Slurm brings commands of the same names, whose ``qstat`` has neither: it is read as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum

from cluster.backends.pbs_formats import PbsJob, parse_jobs
from cluster.records import NEVER_SATISFIED, QueueJob
from cluster.states import PBS_ENDED, PBS_LETTERS, JobState


class Dialect(Enum):
    """Whose ``qstat`` it is."""

    TORQUE = "Torque"
    OPENPBS = "OpenPBS"
    IMITATION = "Slurm's imitation of Torque"


#: qstat's exit codes for jobs that it doesn't know (any more); what it prints of others is right.
UNKNOWN_JOB_CODES = frozenset({35, 153})
#: qdel's exit codes for jobs that aren't known or have ended (170: invalid for the job's state).
PAST_CODES = frozenset({35, 153, 170})

#: The batch system is to write no output. The imitation heeds this as arguments only, not as directives.
NO_OUTPUT = ("-o", "/dev/null", "-e", "/dev/null")

_ID = re.compile(r"\d+(\[\])?(\.[\w.-]+)?")
_TIME_CODES = frozenset({-11, -12, -28, -29})
_MEMORY_CODES = frozenset({-10, -26, -27})
#: 256 and the number of SIGTERM, by which a job that is deleted or over its time ends.
_DELETED = 271
_SIGNALLED = 256
#: OpenPBS's substates of jobs that were deleted, finished (also of one never begun) and that failed.
_DELETED_SUBSTATE = "91"
_FINISHED_SUBSTATE = "92"
_FAILED_SUBSTATE = "93"


def version_argv() -> list[str]:
    """Ask ``qstat`` whose it is."""
    return ["qstat", "--version"]


def read_dialect(answer: str) -> Dialect:
    """By all that ``qstat --version`` printed, on standard error too."""
    if re.search(r"^pbs_version = \S", answer, re.MULTILINE):
        return Dialect.OPENPBS
    if re.search(r"^version: \d", answer, re.IGNORECASE | re.MULTILINE):
        return Dialect.TORQUE
    return Dialect.IMITATION


def submit_argv(
    script: str,
    dialect: Dialect,
    after: Sequence[str] = (),
    tasks: int | None = None,
    extra: Sequence[str] = (),
) -> list[str]:
    """Submit ``script`` to start when the jobs ``after`` have completed; ``tasks``: so many in an array."""
    argv = ["qsub"]
    if after:
        argv += ["-W", f"depend={_describe_dependencies(after, dialect)}"]
    if tasks is not None:
        argv += ["-J" if dialect is Dialect.OPENPBS else "-t", f"0-{tasks - 1}"]
    return [*argv, *extra, script]


def _describe_dependencies(after: Sequence[str], dialect: Dialect) -> str:
    """Torque has a word of its own for waiting for a whole array."""
    arrays = [one for one in after if "[]" in one and dialect is Dialect.TORQUE]
    words = {"afterok": [one for one in after if one not in arrays], "afterokarray": arrays}
    return ",".join(":".join([word, *ids]) for word, ids in words.items() if ids)


def parse_submitted(answer: str) -> str | None:
    """The job's id, or None if that isn't an answer of ``qsub``."""
    lines = answer.split()
    return lines[-1] if lines and _ID.fullmatch(lines[-1]) else None


def task_id(job_id: str, index: int) -> str:
    """The id of a task of an array, whose own is ``9[].server``; Slurm's imitation says ``9``."""
    number, bracket, rest = job_id.partition("[]")
    return f"{number}[{index}]{rest}" if bracket else f"{job_id}_{index}"


def array_id(task: str) -> str:
    """The array that a task is of, ``9[].server``; a job's own id for one that is none."""
    number, bracket, rest = task.partition("[")
    return f"{number}[]{rest.partition(']')[2]}" if bracket else task


def fit_name(name: str) -> str:
    """A job's name as Torque accepts it: it must begin with a letter."""
    return name if name[:1].isalpha() else f"j{name}"


def queue_argv(dialect: Dialect, job_ids: Sequence[str] = ()) -> list[str]:
    """Jobs and tasks of arrays, also those that ended not long ago: all, or with OpenPBS some.

    Torque and the imitation are always asked for all: they forget ended jobs after minutes.
    """
    if dialect is Dialect.OPENPBS:
        return ["qstat", "-x", "-f", "-t", "-F", "json", *job_ids]
    if dialect is Dialect.TORQUE:
        return ["qstat", "-x", "-f", "-t"]
    return ["qstat", "-f"]


def text_argv(dialect: Dialect, job_ids: Sequence[str] = ()) -> list[str]:
    """The same as text, for a ``qstat`` whose other form can't be read."""
    if dialect is Dialect.OPENPBS:
        return ["qstat", "-x", "-f", "-t", *job_ids]
    return ["qstat", "-f", "-t"] if dialect is Dialect.TORQUE else ["qstat", "-f"]


def cancel_argv(job_ids: Sequence[str]) -> list[str]:
    """Delete jobs."""
    return ["qdel", *job_ids]


def parse_queue(answer: str) -> list[QueueJob]:
    """The jobs that ``qstat`` printed in any of its forms. Raises UnreadableAnswer."""
    return [_read_job(job) for job in parse_jobs(answer)]


def _read_job(job: PbsJob) -> QueueJob:
    has = job.attributes
    code = _number(has.get("exit_status"))
    state = _read_state(job, code)
    nodes, slots = _read_hosts(has.get("exec_host", ""))
    numnodes = len(nodes) or _number(has.get("resource_list.nodect"))
    ncpus = _number(has.get("resource_list.ncpus"))
    ended_itself = state in (JobState.COMPLETED, JobState.FAILED)
    return QueueJob(
        job_id=job.job_id,
        name=has.get("job_name", ""),
        userid=_read_user(has),
        partition=has.get("queue", ""),
        state=state,
        nodes=nodes,
        numnodes=numnodes,
        threads=ncpus // (numnodes or 1) if ncpus else slots // len(nodes) if nodes else _read_ppn(has),
        exitcode=_read_code(code, state) if code is not None and ended_itself else None,
        reason=_read_reason(job, state),
    )


def _read_state(job: PbsJob, code: int | None) -> JobState:
    has = job.attributes
    letter = has.get("job_state", "")
    if letter in PBS_ENDED:
        return _read_end(job, code)
    state = PBS_LETTERS.get(letter, JobState.UNKNOWN)
    # A job that waits for another one is held by the system; only `u` and `o` are holds by people.
    if state is JobState.HELD and not set(has.get("hold_types", "u")) & set("uo"):
        return JobState.PENDING
    return state


def _read_end(job: PbsJob, code: int | None) -> JobState:
    has = job.attributes
    if code == 0:
        # OpenPBS says so of an array also if a task of it failed.
        return JobState.FAILED if has.get("substate") == _FAILED_SUBSTATE else JobState.COMPLETED
    if code is None:
        # Deleted before it began; but the imitation never has a code, nor has an array as a whole.
        never_began = not has.get("exec_host") and "[]" not in job.job_id
        return JobState.CANCELLED if never_began else JobState.ENDED
    if code == _DELETED or has.get("substate") == _DELETED_SUBSTATE:
        return JobState.CANCELLED
    if code in _TIME_CODES:
        return JobState.TIMEOUT
    return JobState.OUT_OF_MEMORY if code in _MEMORY_CODES else JobState.FAILED


def _read_reason(job: PbsJob, state: JobState) -> str:
    """``Dependency`` or ``DependencyNeverSatisfied`` where that is it, else the comment of ``qstat``."""
    has = job.attributes
    waits = re.search(r"\bafter\w*:", has.get("depend", "")) is not None
    by_itself = "dependency" in has.get("comment", "") or has.get("substate") == _FINISHED_SUBSTATE
    if state is JobState.CANCELLED and waits and by_itself:
        return NEVER_SATISFIED
    if state is JobState.PENDING and waits and has.get("job_state") == "H":
        return "Dependency"
    return has.get("comment", "")


def _read_code(code: int, state: JobState) -> int | None:
    """As a shell has it: 265 is 137. What failed with 0 is an array, which has no code of its own."""
    if state is JobState.FAILED and code == 0:
        return None
    return code - _SIGNALLED // 2 if code > _SIGNALLED else code


def _read_hosts(text: str) -> tuple[tuple[str, ...], int]:
    """``n1/0+n1/1+n2/0*4`` or ``n1/0-3``: the nodes, and how many slots on all of them."""
    nodes: dict[str, None] = {}
    slots = 0
    for part in filter(None, text.split("+")):
        host, _, where = part.partition("/")
        index, star, times = where.partition("*")
        nodes[host] = None
        slots += _number(times) or 1 if star else _count_ranges(index)
    return tuple(nodes), slots


def _count_ranges(text: str) -> int:
    """How many ``0-3,7`` names; 1 of what can't be read."""
    total = 0
    for one in text.split(","):
        first, dash, last = (part.strip() for part in one.partition("-"))
        known = first.isdecimal() and (last.isdecimal() or not dash)
        total += int(last) - int(first) + 1 if known and dash else 1
    return max(total, 1)


def _read_user(has: Mapping[str, str]) -> str:
    owner = has.get("euser") or has.get("job_owner", "")
    return re.split(r"[@(]", owner, maxsplit=1)[0]


def _read_ppn(has: Mapping[str, str]) -> int | None:
    found = re.search(r"ppn=(\d+)", has.get("resource_list.nodes", ""))
    return int(found[1]) if found else None


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d{1,9}", text) else None

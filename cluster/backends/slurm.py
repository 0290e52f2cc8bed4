"""Slurm: what to type, and how to read the answers. Tried with 22.05.

Names of jobs may hold any character, a line break too. So each answer is asked for with a separator that
nobody could know before, and what lies between two of them is never taken for a record of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from cluster.records import QueueJob, join_exit
from cluster.states import SLURM_WORDS, JobState

#: sacct's and squeue's names of the same columns; the job's name comes last.
_SQUEUE_FIELDS = (
    "JobArrayID", "UserName", "Partition", "State", "Reason", "NodeList", "NumNodes", "NumCPUs", "exit_code",
    "Name",
)  # fmt: skip
_SACCT_FIELDS = (
    "JobID", "User", "Partition", "State", "Reason", "NodeList", "NNodes", "AllocCPUS", "ExitCode", "JobName",
)  # fmt: skip
_JOBCOMP_FIELDS = ("JobID", "State", "ExitCode")

#: Header words, as the commands print them, and ours.
_HEADINGS = {
    "JOBID": "id", "USER": "user", "PARTITION": "partition", "STATE": "state", "REASON": "reason",
    "NODELIST": "nodes", "NODES": "numnodes", "NNODES": "numnodes", "CPUS": "cpus", "ALLOCCPUS": "cpus",
    "EXIT_CODE": "exit", "EXITCODE": "exit", "NAME": "name", "JOBNAME": "name",
}  # fmt: skip
#: What ``squeue`` says, and fails, if it is asked for one job that it doesn't know.
UNKNOWN_JOB = "Invalid job id"

_HELD_REASONS = frozenset({"JobHeldUser", "JobHeldAdmin"})
_NOTHING = frozenset({"", "N/A", "None", "None assigned", "(null)"})
_SUBMITTED = re.compile(r"(\d+)(?:;[\w.-]+)?")
_RANGES = re.compile(r"[^,\[]+(?:\[[^\]]*\][^,\[]*)*")
_NODES_MAX = 100_000


def submit_argv(
    script: str, after: Sequence[str] = (), tasks: int | None = None, extra: Sequence[str] = ()
) -> list[str]:
    """Submit ``script`` to start when the jobs ``after`` have completed; ``tasks``: so many in an array.

    A job that can't start any more because one of those failed is cancelled, instead of waiting for ever.
    """
    argv = ["sbatch", "--parsable", "--kill-on-invalid-dep=yes"]
    if after:
        argv.append(f"--dependency=afterok:{':'.join(after)}")
    if tasks is not None:
        argv.append(f"--array=0-{tasks - 1}")
    return [*argv, *extra, "--", script]


def parse_submitted(answer: str) -> str | None:
    """The job's id, or None if that isn't an answer of ``sbatch --parsable``."""
    lines = answer.split()
    found = _SUBMITTED.fullmatch(lines[-1]) if lines else None
    return found[1] if found else None


def task_id(job_id: str, index: int) -> str:
    """The id of a task of an array."""
    return f"{job_id}_{index}"


def array_id(task: str) -> str:
    """The array that a task is of; a job's own id for one that is none."""
    return task.partition("_")[0]


def queue_argv(
    separator: str,
    user: str | None = None,
    partition: str | None = None,
    job_ids: Collection[str] | None = None,
) -> list[str]:
    """Jobs that the controller still knows, also those that ended less than MinJobAge ago."""
    fields = ",".join(f"{field}:{separator}" for field in _SQUEUE_FIELDS)
    argv = ["squeue", "--array", "--states=all", f"--Format={fields}"]
    argv += [f"--jobs={','.join(job_ids)}"] if job_ids is not None else []
    argv += [f"--user={user}"] if user else []
    return argv + ([f"--partition={partition}"] if partition else [])


def history_argv(
    separator: str,
    job_ids: Collection[str] | None = None,
    user: str | None = None,
    partition: str | None = None,
) -> list[str]:
    """What the accounting database knows: of some jobs, or of all that ended today."""
    argv = ["sacct", "--parsable", f"--delimiter={separator}", "--allocations"]
    argv += [f"--format={','.join(_SACCT_FIELDS)}"]
    argv += [f"--jobs={','.join(job_ids)}"] if job_ids is not None else []
    argv += [f"--user={user}"] if user else [] if job_ids is not None else ["--allusers"]
    return argv + ([f"--partition={partition}"] if partition else [])


def completions_argv(job_ids: Collection[str]) -> list[str]:
    """Where there is no database: what the plugin jobcomp wrote; tasks of arrays have raw ids there."""
    argv = ["sacct", "--completion", "--parsable2", f"--format={','.join(_JOBCOMP_FIELDS).lower()}"]
    return [*argv, f"--jobs={','.join(job_ids)}"]


def show_argv(job_id: str) -> list[str]:
    """One job, by the controller."""
    return ["scontrol", "--oneliner", "show", "job", job_id]


def cancel_argv(job_ids: Sequence[str]) -> list[str]:
    """Cancel jobs, or tasks of arrays."""
    return ["scancel", "--", *job_ids]


def parse_table(answer: str, separator: str) -> list[QueueJob]:
    """The jobs of a table of ``squeue`` or ``sacct`` with its headings. Steps of jobs are left out.

    Columns that we don't know are passed over; if one is missing, what it would tell isn't known.
    """
    # As with `sacct --parsable`, a separator ends each row, unless none ends the first.
    end = separator + "\n" if answer.partition("\n")[0].endswith(separator) else "\n"
    heading, *rows = answer.split(end)
    columns = [_HEADINGS.get(word.strip().upper(), "") for word in heading.split(separator)]
    if "id" not in columns or "state" not in columns:
        return []
    jobs: list[QueueJob] = []
    for row in rows:
        cells = row.split(separator, len(columns) - 1)
        if len(cells) == len(columns):
            jobs += _read_row(dict(zip(columns, cells, strict=True)))
    return jobs


def parse_completions(answer: str, errors: str) -> list[QueueJob]:
    """The jobs that ``completions_argv`` shows, without arrays.

    A row has the raw id of a task, and the last task's is that of its array, of which it says nothing then.
    Which ids are arrays stands among the complaints on standard error only.
    """
    arrays = set(re.findall(r"\bArrayJobId: (\d+)", errors))
    return [job for job in parse_table(answer, "|") if job.job_id not in arrays]


def _read_row(row: Mapping[str, str]) -> Iterator[QueueJob]:
    job_id, word = row["id"].strip(), row["state"].strip()
    # `123.batch` is a step of a job; jobcomp's noise has no number or no state.
    if not re.match(r"\d", job_id) or "." in job_id or not word:
        return
    reason = _text(row.get("reason", ""))
    state = _read_state(word, reason)
    nodes = parse_node_list(_text(row.get("nodes", "")))
    numnodes = _number(row.get("numnodes", "")) or len(nodes) or None
    yield QueueJob(
        job_id=job_id,
        name=row.get("name", "").strip(),
        userid=row.get("user", "").strip(),
        partition=row.get("partition", "").strip(),
        state=state,
        nodes=nodes,
        numnodes=numnodes,
        threads=_share(_number(row.get("cpus", "")), numnodes),
        exitcode=_read_exit(row.get("exit", "").strip(), state),
        reason=reason,
    )


def parse_shown(answer: str) -> list[QueueJob]:
    """The jobs that ``scontrol show job`` prints, on one line each or on several."""
    jobs = []
    for paragraph in re.split(r"^(?=JobId=\d)", answer, flags=re.MULTILINE):
        # The first word of a name counts: what stands in a name can only follow it.
        found: dict[str, str] = {}
        for key, value in re.findall(r"(?:^|\s)([\w/:]+)=(\S*)", paragraph):
            found.setdefault(key, value)
        if "JobState" in found:
            jobs.append(_read_shown(found))
    return jobs


def _read_shown(found: Mapping[str, str]) -> QueueJob:
    array, task = found.get("ArrayJobId"), found.get("ArrayTaskId")
    reason = _text(found.get("Reason", ""))
    state = _read_state(found["JobState"], reason)
    nodes = parse_node_list(_text(found.get("NodeList", "")))
    numnodes = _number(found.get("NumNodes", "")) or len(nodes) or None
    return QueueJob(
        job_id=task_id(array, int(task)) if array and task and task.isdecimal() else found["JobId"],
        name=found.get("JobName", ""),
        userid=found.get("UserId", "").partition("(")[0],
        partition=found.get("Partition", ""),
        state=state,
        nodes=nodes,
        numnodes=numnodes,
        threads=_share(_number(found.get("NumCPUs", "")), numnodes),
        exitcode=_read_exit(found.get("ExitCode", ""), state),
        reason=reason,
    )


def _read_state(word: str, reason: str) -> JobState:
    # `CANCELLED by 1000`, and `CANCELLED+` where a column is narrow.
    state = SLURM_WORDS.get(word.split(" ")[0].rstrip("+").upper(), JobState.UNKNOWN)
    if state is JobState.PENDING and reason in _HELD_REASONS:
        return JobState.HELD
    return state


def _read_exit(text: str, state: JobState) -> int | None:
    """``7:0`` is code and signal; squeue prints what wait(2) gave, so 1792 is 7."""
    if not state.is_ended or not re.fullmatch(r"\d+(:\d+)?", text):
        return None
    if ":" in text:
        code, signal = map(int, text.split(":"))
    else:
        code, signal = int(text) >> 8 & 0xFF, int(text) & 0x7F
    if not code and not signal and state is not JobState.COMPLETED:
        # A job that was cancelled or timed out has no exit code, and Slurm shows 0.
        return None
    return join_exit(code, signal)


def parse_node_list(text: str) -> tuple[str, ...]:
    """``n[1-3,07],login`` as names; what is no such expression, or stands for too many, is one name."""
    names: list[str] = []
    for part in _RANGES.findall(text):
        try:
            found = list(islice(_expand(part.strip()), _NODES_MAX))
        except ValueError:
            found = []
        names += found if 0 < len(found) < _NODES_MAX else [part]
    return tuple(names)


def _expand(part: str) -> Iterator[str]:
    before, bracket, rest = part.partition("[")
    if not bracket:
        yield part
        return
    inside, _, after = rest.partition("]")
    for one in inside.split(","):
        first, dash, last = one.partition("-")
        for number in range(int(first), int(last if dash else first) + 1):
            for tail in _expand(after):
                yield f"{before}{number:0{len(first)}}{tail}"


def _text(cell: str) -> str:
    text = cell.strip()
    return "" if text in _NOTHING else text


def _number(cell: str) -> int | None:
    text = cell.strip().partition("-")[0]
    return int(text) if text.isdecimal() else None


def _share(total: int | None, numnodes: int | None) -> int | None:
    """Processors on each node, of so many in all."""
    return total // numnodes if total and numnodes else None

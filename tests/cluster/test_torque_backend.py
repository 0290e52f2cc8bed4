"""What is asked of Torque and OpenPBS, and what their answers mean, by captures of both."""

from __future__ import annotations

import pytest

from cluster.backends import torque
from cluster.backends.pbs_formats import UnreadableAnswer, parse_jobs
from cluster.backends.torque import Dialect
from cluster.records import NEVER_SATISFIED, QueueJob
from cluster.states import JobState
from tests.cluster.captures import read


def ends(capture: str) -> dict[str, tuple[str, int | None]]:
    return {job.job_id: (job.state.value, job.exitcode) for job in torque.parse_queue(read(capture))}


def find(capture: str, job_id: str) -> QueueJob:
    (job,) = [job for job in torque.parse_queue(read(capture)) if job.job_id == job_id]
    return job


TORQUE_ENDS: dict[str, tuple[str, int | None]] = {
    "0.vm": ("completed", 0),
    "1.vm": ("completed", 0),
    "2.vm": ("completed", 0),
    "3.vm": ("completed", 0),
    "4.vm": ("completed", 0),
    "5.vm": ("failed", 7),
    "6.vm": ("cancelled", None),
    "7.vm": ("completed", 0),
    "8.vm": ("completed", 0),
    "10.vm": ("cancelled", None),
    "11.vm": ("cancelled", None),
    "12.vm": ("failed", 137),
    "13.vm": ("timeout", None),
    "14.vm": ("failed", 44),
}
TASK_ENDS: dict[str, tuple[str, int | None]] = {
    f"9[{task}].vm": ("failed", 3) if task == 3 else ("completed", 0) for task in range(6)
}
OPENPBS_ENDS: dict[str, tuple[str, int | None]] = {
    "0.vm": ("cancelled", None),
    "1.vm": ("timeout", None),
    "2.vm": ("failed", 137),
    "3.vm": ("failed", 137),
    **{f"{number}.vm": ("completed", 0) for number in (4, 5, 6, 8, 9, 12, 13)},
    "7.vm": ("failed", 7),
    "10.vm": ("failed", 7),
    "11.vm": ("cancelled", None),
    "14[].vm": ("failed", None),
    "15.vm": ("cancelled", None),
    "16.vm": ("cancelled", None),
    "17.vm": ("failed", 137),
    "18.vm": ("timeout", None),
    "19.vm": ("failed", 44),
}


def test_torque_in_both_forms() -> None:
    # Of the whole array nothing is told; its tasks are there with -t.
    assert ends("torque-qstat-x.xml") == TORQUE_ENDS | {"9[].vm": ("ended", None)}
    assert ends("torque-qstat-ft.txt") == TORQUE_ENDS | TASK_ENDS


@pytest.mark.parametrize("capture", ["pbs-qstat-xf.json", "pbs-qstat-xf.txt"])
def test_openpbs_in_both_forms(capture: str) -> None:
    assert ends(capture) == OPENPBS_ENDS


@pytest.mark.parametrize(
    ("capture", "waiting", "held", "running", "queued"),
    [
        ("torque-qstat-x-running.xml", "4.vm", "11.vm", "3.vm", "12.vm"),
        ("pbs-qstat-f-running.json", "9.vm", "16.vm", "8.vm", "17.vm"),
    ],
)
def test_jobs_that_have_not_ended(capture: str, waiting: str, held: str, running: str, queued: str) -> None:
    assert (find(capture, waiting).state, find(capture, waiting).reason) == (JobState.PENDING, "Dependency")
    assert find(capture, held).state is JobState.HELD
    assert find(capture, running).state is JobState.RUNNING
    assert find(capture, running).nodes == ("vm",)
    assert find(capture, queued).state is JobState.PENDING
    assert find(capture, queued).reason.startswith("Not Running: Not enough")


@pytest.mark.parametrize(
    ("capture", "doomed", "deleted"),
    [("torque-qstat-x.xml", "6.vm", "11.vm"), ("pbs-qstat-xf.json", "11.vm", "16.vm")],
)
def test_a_failed_dependency_is_told_from_a_deletion(capture: str, doomed: str, deleted: str) -> None:
    assert find(capture, doomed).reason == NEVER_SATISFIED
    assert find(capture, deleted).reason != NEVER_SATISFIED


def test_somebody_deleted_a_job_that_waited_for_another() -> None:
    text = "Job Id: 2.s\n    job_state = C\n    depend = afterok:1.s\n    exit_status = 271\n"
    (job,) = torque.parse_queue(text)
    assert (job.state, job.reason) == (JobState.CANCELLED, "")


def test_every_field() -> None:
    assert find("torque-qstat-x-running.xml", "3.vm") == QueueJob(
        "3.vm", "first", "pbslab", "batch", JobState.RUNNING, ("vm",), 1, 1, None,
        "Job started on Sat Nov 21 at 10:00",
    )  # fmt: skip
    # Long lines are folded by qstat, and what is folded is whole again.
    (job,) = parse_jobs(read("torque-qstat-f-running.txt"))
    assert job.attributes["variable_list"].endswith("PBS_O_HOST=vm,PBS_O_SERVER=vm")


def test_the_imitation_never_says_how_a_job_ended() -> None:
    states = {job.job_id: job for job in torque.parse_queue(read("imitation-qstat-f.txt"))}
    assert states["14"].state is JobState.ENDED
    assert states["28"].state is JobState.RUNNING
    assert states["19"].state is JobState.PENDING
    assert states["23"].partition == "debug"
    assert "9" not in states, "a name that looks like a record is a name"


@pytest.mark.parametrize(
    ("hosts", "nodes", "threads"),
    [
        ("n1/0+n1/1+n2/0+n2/1", ("n1", "n2"), 2),
        ("n1/0-3", ("n1",), 4),
        ("n1/0-1,4", ("n1",), 3),
        ("n1/0*4+n2/0*4", ("n1", "n2"), 4),
        ("n1", ("n1",), 1),
    ],
)
def test_where_a_job_runs(hosts: str, nodes: tuple[str, ...], threads: int) -> None:
    (job,) = torque.parse_queue(f"Job Id: 1.s\n    job_state = R\n    exec_host = {hosts}\n")
    assert (job.nodes, job.numnodes, job.threads) == (nodes, len(nodes), threads)


@pytest.mark.parametrize(
    "answer",
    [
        "<Data><Job><Job_Id>1</Job_Id>",
        '<!DOCTYPE x [<!ENTITY a "b">]><Data><Job><Job_Id>&a;</Job_Id></Job></Data>',
        '{"Jobs": {"1.s": {',
        "[" * 100_000,
        '{"Jobs":' + "[" * 100_000,
        "qstat: cannot connect to server",
    ],
)
def test_what_cannot_be_read_is_an_error_and_not_an_empty_queue(answer: str) -> None:
    with pytest.raises(UnreadableAnswer):
        torque.parse_queue(answer)


def test_an_empty_answer_is_an_empty_queue() -> None:
    assert torque.parse_queue("\n") == []
    assert torque.parse_queue("<Data></Data>") == []
    assert torque.parse_queue('{"timestamp": 1, "Jobs": {}}') == []


@pytest.mark.parametrize(
    ("answer", "dialect"),
    [
        ("pbs_version = 23.06.06\n", Dialect.OPENPBS),
        ("Version: 6.1.3\nCommit: 7d7d13\n", Dialect.TORQUE),
        ("Unknown option: version\nUsage:\n    qstat [-f]\n", Dialect.IMITATION),
        ("", Dialect.IMITATION),
    ],
)
def test_whose_qstat_it_is(answer: str, dialect: Dialect) -> None:
    assert torque.read_dialect(answer) is dialect


def test_command_lines() -> None:
    submit = torque.submit_argv
    assert submit("/a b/x", Dialect.TORQUE, ["1.s", "9[].s"], 3) == [
        "qsub", "-W", "depend=afterok:1.s,afterokarray:9[].s", "-t", "0-2", "/a b/x",
    ]  # fmt: skip
    assert submit("x", Dialect.OPENPBS, ["1.s", "9[].s"], 3) == [
        "qsub", "-W", "depend=afterok:1.s:9[].s", "-J", "0-2", "x",
    ]  # fmt: skip
    assert torque.queue_argv(Dialect.TORQUE) == ["qstat", "-x", "-f", "-t"]
    assert torque.queue_argv(Dialect.OPENPBS, ["1.s"]) == ["qstat", "-x", "-f", "-t", "-F", "json", "1.s"]
    assert torque.queue_argv(Dialect.IMITATION) == ["qstat", "-f"]


@pytest.mark.parametrize(("name", "fitting"), [("case", "case"), ("7case", "j7case")])
def test_names_begin_with_a_letter(name: str, fitting: str) -> None:
    assert torque.fit_name(name) == fitting


@pytest.mark.parametrize(
    ("answer", "job_id"),
    [("12.vm\n", "12.vm"), ("9[].vm", "9[].vm"), ("12", "12"), ("", None), ("qsub: no", None)],
)
def test_the_answer_of_qsub(answer: str, job_id: str | None) -> None:
    assert torque.parse_submitted(answer) == job_id


@pytest.mark.parametrize(("array", "task"), [("9[].vm", "9[3].vm"), ("9[]", "9[3]"), ("9", "9_3")])
def test_tasks_of_arrays(array: str, task: str) -> None:
    assert torque.task_id(array, 3) == task

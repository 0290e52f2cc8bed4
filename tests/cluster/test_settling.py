"""What is believed of a job: the queue's word, its exit code, and nothing out of silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.engines.polling import SharedPoll
from cluster.engines.protocol import Poll
from cluster.records import QueueJob
from cluster.settling import CANCELLED, GIVEN_UP, Standing, combine, settle
from cluster.states import JobState
from cluster.tracking import Tracker

WAITING = Standing(JobState.PENDING)


def seen(state: JobState, exitcode: int | None = None, job_id: str = "1") -> QueueJob:
    return QueueJob(job_id, "x", "anna", "debug", state, exitcode=exitcode)


@pytest.mark.parametrize(
    ("told", "exit_code", "state", "exitcode"),
    [
        (seen(JobState.RUNNING), None, JobState.RUNNING, None),
        (seen(JobState.RUNNING), 0, JobState.RUNNING, None),
        (seen(JobState.COMPLETED, 0), 0, JobState.COMPLETED, 0),
        (seen(JobState.FAILED, 1), 7, JobState.FAILED, 7),
        (seen(JobState.FAILED, 7), None, JobState.FAILED, 7),
        (seen(JobState.CANCELLED), 143, JobState.CANCELLED, None),
        (seen(JobState.TIMEOUT), None, JobState.TIMEOUT, None),
        (seen(JobState.ENDED), 0, JobState.COMPLETED, 0),
        (seen(JobState.ENDED), 7, JobState.FAILED, 7),
        (seen(JobState.UNKNOWN), 0, JobState.COMPLETED, 0),
        (seen(JobState.UNKNOWN), None, JobState.PENDING, None),
        (seen(JobState.ENDED), None, JobState.COMPLETING, None),
        (None, 0, JobState.COMPLETED, 0),
        (None, 3, JobState.FAILED, 3),
        (None, None, JobState.PENDING, None),
    ],
)
def test_a_queue_that_answers(
    told: QueueJob | None, exit_code: int | None, state: JobState, exitcode: int | None
) -> None:
    standing = settle(WAITING, told, exit_code)
    assert (standing.state, standing.exitcode) == (state, exitcode)


def test_silence_is_unknown_and_never_failed() -> None:
    standing = settle(WAITING, None, None, unanswered="squeue hangs")
    assert standing == Standing(JobState.UNKNOWN, None, "squeue hangs")
    assert not standing.state.is_ended
    assert settle(standing, None, 7, unanswered="squeue hangs").state is JobState.FAILED


@pytest.mark.parametrize("verdict", [GIVEN_UP, CANCELLED])
def test_a_conclusion_counts_only_where_nothing_else_is_known(verdict: Standing) -> None:
    assert settle(WAITING, None, None, verdict) == verdict
    assert settle(WAITING, seen(JobState.ENDED), None, verdict) == verdict
    assert settle(WAITING, seen(JobState.RUNNING), None, verdict).state is JobState.RUNNING
    assert settle(WAITING, None, 0, verdict).state is JobState.COMPLETED


def test_a_cancelled_job_whose_command_a_signal_ended_was_cancelled() -> None:
    """Its job file may write the exit code before it is ended itself."""
    assert settle(WAITING, None, 143, CANCELLED) == Standing(JobState.CANCELLED, 143)
    assert settle(WAITING, None, 1, CANCELLED).state is JobState.FAILED
    assert settle(WAITING, None, 143, GIVEN_UP).state is JobState.FAILED


@pytest.mark.parametrize(
    ("parts", "state", "exitcode"),
    [
        ([("completed", 0), ("completed", 0)], "completed", 0),
        ([("completed", 0), ("failed", 3), ("failed", 4)], "failed", 3),
        ([("completed", 0), ("cancelled", None)], "cancelled", None),
        ([("failed", 3), ("pending", None)], "running", None),
        ([("running", None), ("pending", None)], "running", None),
        ([("pending", None), ("pending", None)], "pending", None),
        ([("unknown", None), ("unknown", None)], "unknown", None),
    ],
)
def test_arrays(parts: list[tuple[str, int | None]], state: str, exitcode: int | None) -> None:
    whole = combine([Standing(JobState(word), code) for word, code in parts])
    assert (whole.state, whole.exitcode) == (state, exitcode)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Queue:
    """A queue whose answers a test chooses."""

    def __init__(self) -> None:
        self.jobs: dict[str, QueueJob] = {}
        self.answers = True
        self.clock = Clock()
        self.asked: list[frozenset[str]] = []
        self.polls = SharedPoll(self.poll, 2.0, self.clock)

    def poll(self, job_ids: object) -> Poll:
        ids = frozenset(job_ids)  # type: ignore[call-overload]
        self.asked.append(ids)
        if not self.answers:
            return Poll(False, why="no answer")
        return Poll(True, ids, {one: self.jobs[one] for one in ids & self.jobs.keys()})

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    def follow(self, marks: dict[str, Path | None]) -> Tracker:
        return Tracker(self.polls, marks, give_up_s=60.0, clock=self.clock)


def test_a_job_that_is_not_visible_yet_waits() -> None:
    queue = Queue()
    job = queue.follow({"1": None})
    for _ in range(10):
        assert job.update().state is JobState.PENDING
        queue.pass_time(5.0)
    queue.jobs["1"] = seen(JobState.RUNNING)
    assert job.update().state is JobState.RUNNING


def test_a_job_without_a_trace_is_given_up_after_a_while() -> None:
    queue = Queue()
    job = queue.follow({"1": None})
    job.update()
    queue.pass_time(59.0)
    assert job.update().state is JobState.PENDING
    queue.pass_time(2.0)
    assert job.update().state is JobState.ENDED


def test_silence_does_not_count_as_absence() -> None:
    queue = Queue()
    job = queue.follow({"1": None})
    queue.answers = False
    for _ in range(10):
        queue.pass_time(100.0)
        assert job.update().state is JobState.UNKNOWN
    queue.answers = True
    queue.pass_time(100.0)
    assert job.update().state is not JobState.ENDED
    queue.jobs["1"] = seen(JobState.COMPLETED, 0)
    queue.pass_time(3.0)
    assert job.update().state is JobState.COMPLETED


def test_the_exit_code_beside_the_output_ends_a_job_that_the_queue_forgot(tmp_path: Path) -> None:
    queue = Queue()
    mark = tmp_path / "x.exit"
    job = queue.follow({"1": mark})
    queue.jobs["1"] = seen(JobState.RUNNING)
    job.update()
    del queue.jobs["1"]
    mark.write_text("7\n")
    queue.pass_time(3.0)
    assert job.update() == Standing(JobState.FAILED, 7)


def test_it_counts_also_while_the_queue_does_not_answer(tmp_path: Path) -> None:
    queue = Queue()
    mark = tmp_path / "x.exit"
    job = queue.follow({"1": mark})
    queue.answers = False
    assert job.update().state is JobState.UNKNOWN
    mark.write_text("0\n")
    queue.pass_time(3.0)
    assert job.update().state is JobState.COMPLETED


def test_a_folder_is_looked_into_once_a_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    names = os.listdir

    def look(folder: Path) -> list[str]:
        looked.append(folder)
        return names(folder)

    monkeypatch.setattr("cluster.tracking.os.listdir", look)
    queue = Queue()
    jobs = [queue.follow({str(number): tmp_path / f"{number}.exit"}) for number in range(100)]
    for number in range(100):
        (tmp_path / f"{number}.exit").write_text("0\n")
    assert all(job.update().state is JobState.COMPLETED for job in jobs)
    assert looked == [tmp_path]


def test_one_poll_serves_all_and_asks_only_about_what_has_not_ended() -> None:
    queue = Queue()
    jobs = [queue.follow({str(number): None}) for number in range(200)]
    queue.jobs = {str(number): seen(JobState.RUNNING, job_id=str(number)) for number in range(200)}
    for job in jobs * 3:
        job.update()
    assert len(queue.asked) == 1
    queue.jobs["5"] = seen(JobState.COMPLETED, 0, "5")
    for _ in range(2):
        queue.pass_time(3.0)
        for job in jobs:
            job.update()
    assert [len(ids) for ids in queue.asked] == [200, 200, 199]

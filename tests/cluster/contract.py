"""What every queue must do for jobs: one suite, run over each of them.

A module makes it its own by ``class TestIt(QueueContract)`` and a fixture ``mode``, which gives the queue's
mode once jobs can be submitted to it, and has it asked often.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.cleaning import find_job_files
from cluster.failures import AlreadySubmitted, DependencyFailed, JobFailed, WaitTimeout
from cluster.job import Job
from cluster.modes import Mode
from cluster.naming import FileKind
from cluster.queue import Queue, QueueError, queue_parser, wait
from cluster.states import JobState
from cluster.submitting import clean, make_job, make_job_file, submit, submit_file
from tests.support import wait_until

#: Far more than any of these jobs takes on a busy machine.
LONG_S = 60.0


class QueueContract:
    """The suite."""

    #: A folder that jobs run in: nothing in its name may be taken for anything else.
    odd_name = "a b'c\"d$e%j"

    def test_a_script_runs_and_its_output_comes_back(self, mode: Mode, tmp_path: Path) -> None:
        folder = tmp_path / self.odd_name
        folder.mkdir()
        job = submit(
            ["bash", "-c", 'pwd; echo "$1"; echo warned >&2', "_"], args=["a 'b' $c"], path=folder, qtype=mode
        )
        assert job.id
        assert job.get(LONG_S) == f"{folder}\na 'b' $c\n"
        assert (job.state, job.exitcode, job.stderr) == (JobState.COMPLETED, 0, "warned\n")

    def test_a_failing_script_is_told_with_its_last_words(self, mode: Mode, tmp_path: Path) -> None:
        job = submit("echo out; echo oh no >&2; exit 7", name="bad", path=tmp_path, qtype=mode)
        assert job.wait(LONG_S) is False
        assert (job.state, job.exitcode, job.stdout) == (JobState.FAILED, 7, "out\n")
        with pytest.raises(JobFailed, match=r"job bad \(.*\) failed with exit code 7: oh no") as caught:
            job.get()
        assert caught.value.exitcode == 7
        assert str(job.error_files[0]) in caught.value.hint

    def test_a_script_that_is_killed_has_the_exit_code_of_a_shell(self, mode: Mode, tmp_path: Path) -> None:
        job = submit("kill -9 $$", path=tmp_path, qtype=mode)
        assert job.wait(LONG_S) is False
        assert job.exitcode == 137

    def test_jobs_of_one_name_share_no_file(self, mode: Mode, tmp_path: Path) -> None:
        jobs = [submit(f"echo {one}", name="same", path=tmp_path, qtype=mode) for one in range(3)]
        assert wait(jobs, LONG_S)
        assert [job.stdout for job in jobs] == ["0\n", "1\n", "2\n"]

    def test_a_chain_and_a_fan_in_run_in_their_order(self, mode: Mode, tmp_path: Path) -> None:
        first = submit("sleep 0.5; echo first >>order", path=tmp_path, qtype=mode)
        left = submit("echo left >>order", path=tmp_path, qtype=mode, depends=first)
        right = submit("echo right >>order", path=tmp_path, qtype=mode, depends=[str(first.id)])
        last = submit("echo last >>order", path=tmp_path, qtype=mode, depends=[left, str(right.id)])
        assert last.wait(LONG_S)
        order = (tmp_path / "order").read_text().split()
        assert (order[0], set(order[1:3]), order[3:]) == ("first", {"left", "right"}, ["last"])

    def test_what_depends_on_a_failed_job_is_cancelled_for_that(self, mode: Mode, tmp_path: Path) -> None:
        first = submit("sleep 0.5; exit 3", name="first", path=tmp_path, qtype=mode)
        second = submit("touch ran", name="second", path=tmp_path, qtype=mode, depends=first)
        third = submit("touch ran", name="third", path=tmp_path, qtype=mode, depends=second)
        with pytest.raises(
            DependencyFailed, match=r"job second .* was cancelled: job first .* failed with exit code 3"
        ):
            second.get(LONG_S)
        with pytest.raises(DependencyFailed, match=r"job third .* was cancelled: job second"):
            third.get(LONG_S)
        late = submit("touch ran", name="late", path=tmp_path, qtype=mode, depends=first)
        with pytest.raises(DependencyFailed, match=r"job late was cancelled: job first"):
            late.get(LONG_S)
        assert not (tmp_path / "ran").exists()

    def test_a_job_that_is_cancelled_ends(self, mode: Mode, tmp_path: Path) -> None:
        job = submit("touch began; sleep 100", path=tmp_path, qtype=mode)
        wait_until((tmp_path / "began").exists, LONG_S)
        began_s = time.monotonic()
        assert job.cancel().wait(LONG_S) is False
        assert job.state is JobState.CANCELLED
        assert time.monotonic() - began_s < 50
        with pytest.raises(JobFailed, match="was cancelled"):
            job.get()

    def test_waiting_ends_in_time_and_the_job_goes_on(self, mode: Mode, tmp_path: Path) -> None:
        job = submit("until [ -e go ]; do sleep 0.1; done; echo went", name="slow", path=tmp_path, qtype=mode)
        began_s = time.monotonic()
        with pytest.raises(WaitTimeout, match=r"1 job hasn't ended within 0.5 s: job slow .* is "):
            job.wait(0.5)
        assert time.monotonic() - began_s < 20
        (tmp_path / "go").touch()
        assert job.get(LONG_S) == "went\n"

    def test_an_array_is_one_job_of_many_tasks(self, mode: Mode, tmp_path: Path) -> None:
        job = submit(
            "echo task $CLUSTER_TASK; echo task $CLUSTER_TASK is wrong >&2; exit $((CLUSTER_TASK / 2))",
            path=tmp_path,
            qtype=mode,
            array=3,
        )
        assert job.wait(LONG_S) is False
        assert (job.state, job.exitcode) == (JobState.FAILED, 1)
        assert job.stdout == "task 0\ntask 1\ntask 2\n"
        with pytest.raises(
            JobFailed, match=r"task 2 of job .* failed with exit code 1: task 2 is wrong"
        ) as told:
            job.get()
        assert str(job.error_files[2]) in told.value.hint
        array = submit("true", path=tmp_path, qtype=mode, array=2)
        after = submit("echo all", path=tmp_path, qtype=mode, depends=array)
        assert after.get(LONG_S) == "all\n"

    def test_the_queue_shows_the_job(self, mode: Mode, tmp_path: Path) -> None:
        job = submit("until [ -e go ]; do sleep 0.1; done", name="shown", path=tmp_path, qtype=mode, cores=2)
        assert job.id
        queue = Queue("self", qtype=mode)
        wait_until(lambda: job.id in queue.update().running, LONG_S, every_s=0.2)
        shown = queue[job.id]
        assert (shown.name, shown.userid, shown.numnodes, shown.threads) == ("shown", *queue.users, 1, 2)
        assert shown.exitcode is None
        assert [row.state for row in queue_parser(mode, job_id=job.id)] == ["running"]
        assert len(queue) == len(list(queue)) == len(queue.queued) + len(queue.running) + len(queue.ended)
        (tmp_path / "go").touch()
        assert job.wait(LONG_S)
        assert job.id not in queue.update().running

    def test_a_job_file_is_submitted_by_its_path(
        self, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        made = make_job_file("echo made", path=tmp_path, qtype=mode)
        assert not made.submitted
        first = submit("sleep 0.5; touch first", path=tmp_path, qtype=mode)
        job_id = submit_file(made.plan.files.script, dependencies=first, qtype=mode)
        wait([job_id], LONG_S, qtype=mode)
        assert (tmp_path / "first").exists()
        assert made.plan.files.written(FileKind.OUT).read_text() == "made\n"

    def test_an_id_that_the_queue_does_not_know(self, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cluster.known_jobs.UNKNOWN_ID_S", 1.0)
        with pytest.raises(QueueError, match=f"the queue {mode} doesn't know the job 987654"):
            wait(987654, LONG_S, qtype=mode)

    def test_cleaning_removes_all_that_a_job_wrote(self, mode: Mode, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").touch()
        jobs = [
            submit("echo x", path=tmp_path, qtype=mode),
            submit("true", path=tmp_path, qtype=mode, array=2),
        ]
        assert wait(jobs, LONG_S)
        assert len(find_job_files(tmp_path)) == 4 + 7
        clean(jobs)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_job_is_submitted_once(self, mode: Mode, tmp_path: Path) -> None:
        job = make_job("true", path=tmp_path, qtype=mode)
        assert job.state is JobState.NOT_SUBMITTED
        assert job.get(LONG_S) == "", "get() submits a job that isn't"
        with pytest.raises(AlreadySubmitted, match="is submitted already"):
            job.submit()

    def test_many_jobs_wait_with_one_poll(self, mode: Mode, tmp_path: Path) -> None:
        jobs = [Job(f"echo {number}", path=tmp_path, qtype=mode).submit() for number in range(30)]
        assert wait(jobs, LONG_S)
        assert [job.stdout for job in jobs] == [f"{number}\n" for number in range(30)]

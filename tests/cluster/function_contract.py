"""What every queue must do for functions: one suite, run over each of them, as ``contract`` is for scripts."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import cluster
from cluster.failures import DependencyFailed, JobFailed, WaitTimeout
from cluster.functions.errors import RemoteTraceback, Unpicklable
from cluster.functions.runner import ResultFile
from cluster.job import Job
from cluster.modes import Mode
from cluster.states import JobState
from cluster.submitting import clean, submit

#: Far more than any of these jobs takes on a busy machine.
LONG_S = 60.0


class Counter:
    """Not known where the job runs."""

    def __init__(self, start: int) -> None:
        self.start = start

    def add(self, value: int) -> int:
        return self.start + value


class FunctionContract:
    """The suite. ``folder`` is one that jobs of the queue see."""

    def test_a_function_returns_its_value_and_what_it_prints_is_kept(self, mode: Mode, folder: Path) -> None:
        def work(x: int, *, factor: int = 1) -> dict[str, int]:
            print("working")
            print("warned", file=sys.stderr)
            return {"product": x * factor}

        job = submit(work, [6], {"factor": 7}, path=folder, qtype=mode)
        assert job.name == "work"
        assert job.get(LONG_S) == {"product": 42}
        assert (job.state, job.exitcode) == (JobState.COMPLETED, 0)
        assert (job.stdout, job.stderr) == ("working\n", "warned\n")

    def test_lambdas_and_methods(self, mode: Mode, folder: Path) -> None:
        step = 5
        jobs = [
            submit(lambda x: x + step, [1], path=folder, qtype=mode),
            submit(Counter(10).add, [1], path=folder, qtype=mode, syspaths=[str(Path.cwd())]),
        ]
        assert cluster.get(jobs, LONG_S) == [6, 11]

    def test_the_exception_of_the_function_is_raised_here(self, mode: Mode, folder: Path) -> None:
        def fail() -> None:
            raise LookupError("no such case")

        job = submit(fail, path=folder, qtype=mode)
        with pytest.raises(LookupError, match="no such case") as raised:
            job.get(LONG_S)
        assert isinstance(raised.value.__cause__, RemoteTraceback)
        assert "in fail" in str(raised.value.__cause__)
        assert (job.state, job.exitcode) == (JobState.FAILED, 1)
        assert "LookupError: no such case" in job.stderr

    def test_a_function_whose_process_dies_is_told_of_as_a_job(self, mode: Mode, folder: Path) -> None:
        def die() -> None:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(JobFailed, match=r"job die .* failed with exit code 137"):
            submit(die, path=folder, qtype=mode).get(LONG_S)

    def test_what_depends_on_a_function_that_failed_is_cancelled(self, mode: Mode, folder: Path) -> None:
        first = submit(lambda: 1 / 0, name="first", path=folder, qtype=mode)
        second = submit(lambda: 2, name="second", path=folder, qtype=mode, depends=first)
        with pytest.raises(DependencyFailed, match=r"job second .* was cancelled: job first"):
            second.get(LONG_S)
        with pytest.raises(ZeroDivisionError):
            first.get(LONG_S)

    def test_functions_wait_for_functions(self, mode: Mode, folder: Path) -> None:
        def append(path: Path, word: str) -> str:
            with path.open("a") as file:
                file.write(word)
            return path.read_text()

        shared = folder / "order"
        first = [submit(append, [shared, "a"], path=folder, qtype=mode) for _ in range(2)]
        last = submit(append, [shared, "b"], path=folder, qtype=mode, depends=first)
        assert last.get(LONG_S) == "aab"

    def test_a_map_is_one_job_whose_results_come_in_order(self, mode: Mode, folder: Path) -> None:
        job = cluster.map(pow, [2, 3, 4], [3, 2, 1], path=folder, qtype=mode)
        assert job.get(LONG_S) == [8, 9, 4]
        assert sorted(task.get() for task in cluster.as_completed(job, LONG_S)) == [4, 8, 9]  # type: ignore[type-var]
        assert cluster.map(abs, range(-5, 0), chunksize=2, path=folder, qtype=mode).get(LONG_S) == [
            5,
            4,
            3,
            2,
            1,
        ]
        assert cluster.map(abs, [], path=folder, qtype=mode).get(LONG_S) == []

    def test_a_map_raises_what_a_call_raised(self, mode: Mode, folder: Path) -> None:
        job = cluster.map(lambda x: 1 / x, [1, 0, 2], path=folder, qtype=mode)
        with pytest.raises(ZeroDivisionError):
            job.get(LONG_S)
        tasks = cluster.list_tasks(job)
        assert (tasks[0].get(), tasks[2].get()) == (1.0, 0.5)
        assert [task.state for task in tasks] == ["completed", "failed", "completed"]

    def test_a_result_can_stay_a_file(self, mode: Mode, folder: Path) -> None:
        def write(word: str) -> ResultFile:
            name = f"{word}-big.txt"
            with open(name, "w") as file:
                file.write(word * 1000)
            return ResultFile(name)

        jobs = [submit(write, [word], path=folder, qtype=mode) for word in ("a", "b")]
        results = cluster.get(jobs, LONG_S)
        assert [Path(one).read_text() for one in results] == ["a" * 1000, "b" * 1000]
        clean(jobs)
        assert not any(Path(one).exists() for one in results)

    def test_waiting_ends_in_time_and_a_function_can_be_cancelled(self, mode: Mode, folder: Path) -> None:
        job = submit(time.sleep, [300], path=folder, qtype=mode)
        began_s = time.monotonic()
        with pytest.raises(WaitTimeout, match=r"job sleep .* is "):
            job.get(0.3)
        assert job.cancel().wait(LONG_S) is False
        assert job.state is JobState.CANCELLED and time.monotonic() - began_s < LONG_S
        with pytest.raises(JobFailed, match="was cancelled"):
            job.get()

    def test_cleaning_removes_all_that_a_function_left(self, mode: Mode, folder: Path) -> None:
        job = submit(lambda: ResultFile(__file__ + "-none"), path=folder, qtype=mode)
        job.wait(LONG_S)
        assert list(folder.glob(f"*{job.plan.files.unique}*"))
        job.clean()
        assert not list(folder.glob(f"*{job.plan.files.unique}*"))

    def test_what_cannot_be_sent_is_named_before_anything_is_submitted(
        self, mode: Mode, folder: Path
    ) -> None:
        lock = threading.Lock()
        job = Job(lambda: lock, path=folder, qtype=mode)
        with pytest.raises(Unpicklable, match=r"its variable lock, a _thread\.lock"):
            job.submit()
        assert job.id is None and job.state is JobState.NOT_SUBMITTED

    def test_an_executor_runs_calls_as_jobs(self, mode: Mode, folder: Path) -> None:
        with cluster.Executor(qtype=mode, path=folder) as executor:
            futures = [executor.submit(lambda x: 10 / x, x) for x in (1, 0, 2)]
            mapped = executor.map(pow, [2, 3], [2, 2])
            assert (futures[0].result(LONG_S), futures[2].result(LONG_S)) == (10.0, 5.0)
            assert isinstance(futures[1].exception(LONG_S), ZeroDivisionError)
            assert list(mapped) == [4, 9]
        with pytest.raises(RuntimeError, match="after shutdown"):
            executor.submit(print)

    def test_a_jobified_function(self, mode: Mode, folder: Path) -> None:
        @cluster.jobify(qtype=mode, path=folder)
        def double(x: int) -> int:
            """Twice as much."""
            return 2 * x

        job: Any = double(4)
        assert job.get(LONG_S) == 8
        assert (double.local(3), double.__doc__) == (6, "Twice as much.")
        assert double.map([1, 2]).get(LONG_S) == [2, 4]
